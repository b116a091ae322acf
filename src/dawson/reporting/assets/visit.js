"use strict";
// The page without this script is whole but for the viewer; this makes tables sortable and the viewer run.
// Text from results enters the page by textContent only, never as markup.
(() => {
  const $ = (id) => document.getElementById(id);

  const table = $("lesions");
  const sorters = []; // heads of columns and the buttons in them
  if (table) {
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    const compare = new Intl.Collator("en", { numeric: true }).compare;
    heads.forEach((head, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      sorters.push([head, button]);
      head.setAttribute("aria-sort", place === 0 ? "ascending" : "none");
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        const text = (row) => row.cells[place].textContent;
        const words = head.classList.contains("left") && place > 0;
        const order = (a, b) => (words ? compare(text(a), text(b)) : parseFloat(text(a)) - parseFloat(text(b)));
        heads.forEach((other) => other.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        body.append(...[...body.rows].sort((a, b) => (up ? order(a, b) : order(b, a))));
      });
    });
  }

  // What is folded away on the screen is printed. Browsers repeat a table's head on each page, but not buttons in it.
  const folds = [...document.querySelectorAll("details")];
  window.addEventListener("beforeprint", () => folds.forEach((fold) => { fold.dataset.was = fold.open; fold.open = true; }));
  window.addEventListener("afterprint", () => folds.forEach((fold) => { fold.open = fold.dataset.was === "true"; }));
  window.addEventListener("beforeprint", () => sorters.forEach(([head, button]) => head.replaceChildren(button.textContent)));
  window.addEventListener("afterprint", () => sorters.forEach(([head, button]) => head.replaceChildren(button)));

  if (!$("viewer-data")) return;
  const data = JSON.parse($("viewer-data").textContent);

  const unavailable = (words) => {
    $("viewer").hidden = true;
    $("no-viewer").textContent = words;
    $("no-viewer").hidden = false;
    document.documentElement.dataset.viewer = "unavailable";
  };

  const start = async () => {
    if (!document.createElement("canvas").getContext("webgl2")) {
      unavailable("The viewer needs WebGL 2, which this browser does not offer or has turned off. All else on this page is "
        + "complete, and lesions.nii.gz opens in any viewer of NIfTI files.");
      return;
    }
    $("viewer").hidden = false;
    const viewer = new niivue.Niivue({
      isRadiologicalConvention: true, sagittalNoseLeft: true, multiplanarShowRender: 0, dragAndDropEnabled: false,
      loadingText: "", backColor: [0, 0, 0, 1], crosshairColor: [0.34, 0.71, 0.91, 0.8], crosshairGap: 6, crosshairWidth: 0.4, showAllOrientationMarkers: true, isColorbar: false,
      fontColor: [0.34, 0.71, 0.91, 1], logLevel: "error", isForceMouseClickToVoxelCenters: true, multiplanarPadPixels: 4,
    });
    await viewer.attachToCanvas($("canvas"), false);
    const load = (id, options) => niivue.NVImage.loadFromBase64({
      base64: $(id).textContent, name: `${id}.nii.gz`, trustCalMinMax: false, ...options,
    });
    const scans = [];
    for (let place = 0; place < data.sequences.length; place += 1) {
      scans.push(await load(`volume-${place}`, { colormap: "gray", cal_min: 0, cal_max: 255 }));
    }
    viewer.addColormap("lesion", { R: [255, 255], G: [140, 140], B: [0, 0], A: [0, 255], I: [0, 255] });
    // The volume holds the lesions' ids: with this window all of them are the one opaque colour.
    const lesions = await load("volume-lesions", { colormap: "lesion", cal_min: 0.4, cal_max: 0.6, opacity: 0.6 });
    viewer.addVolume(scans[0]);
    viewer.addVolume(lesions);

    const rows = new Map();
    const known = new Map(data.lesions.map((lesion) => [lesion.id, lesion]));
    let here = null;
    const readout = (id) => {
      const lesion = known.get(id);
      const output = $("current");
      output.textContent = lesion ? `Lesion ${id}: ${lesion.words}` : "No lesion at the crosshair";
      output.dataset.lesion = lesion ? id : "";
      rows.get(here)?.removeAttribute("aria-current");
      rows.get(lesion?.id)?.setAttribute("aria-current", "true");
      here = lesion ? id : null;
    };
    viewer.onLocationChange = (place) => readout(Math.round(place.values[1]?.value ?? 0));

    const jump = (id) => {
      // Forced to true millimetres: otherwise an oblique lattice is taken for an upright one.
      viewer.scene.crosshairPos = viewer.mm2frac(known.get(id).mm, 0, true);
      viewer.createOnLocationChange();
      viewer.drawScene();
    };
    const step = (by) => {
      if (!data.lesions.length) return;
      const order = table ? [...table.tBodies[0].rows].map((row) => Number(row.cells[0].textContent)) : [...known.keys()];
      const at = order.indexOf(here);
      jump(order[at < 0 ? 0 : (at + by + order.length) % order.length]);
    };

    data.sequences.forEach((name, place) => {
      const label = document.createElement("label");
      const choice = document.createElement("input");
      choice.type = "radio";
      choice.name = "sequence";
      choice.value = name;
      choice.checked = place === 0;
      choice.addEventListener("change", () => {
        // All scans lie on one lattice, so the background may change under overlay and crosshair.
        viewer.volumes = [scans[place], lesions];
        viewer.back = scans[place];
        viewer.updateGLVolume();
        viewer.drawScene();
      });
      label.append(choice, name);
      $("sequences").append(label);
    });
    $("opacity").addEventListener("input", (event) => {
      viewer.setOpacity(1, Number(event.target.value) / 100);
    });
    $("previous").addEventListener("click", () => step(-1));
    $("next").addEventListener("click", () => step(1));
    $("previous").disabled = $("next").disabled = !data.lesions.length;
    $("spacing").textContent = `Shown in voxels of ${data.spacing}.`;

    for (const row of table?.tBodies[0].rows ?? []) {
      const id = Number(row.cells[0].textContent);
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = row.cells[0].textContent;
      button.setAttribute("aria-label", `Show lesion ${id} in the viewer`);
      row.cells[0].replaceChildren(button);
      row.classList.add("jump");
      row.addEventListener("click", () => {
        jump(id);
        $("viewer").scrollIntoView({ block: "nearest", behavior: "smooth" });
      });
      rows.set(id, row);
    }
    if (data.lesions.length) jump(data.lesions[0].id); else readout(0);
    document.documentElement.dataset.viewer = "ready";
    window.dawsonViewer = viewer; // for whoever explores the page from the browser's console, and for its tests
  };

  start().catch((error) => unavailable(`The viewer could not start (${error.message}). All else on this page is complete.`));
})();
