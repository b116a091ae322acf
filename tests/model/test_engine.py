"""The ONNX graph computes what the torch network does, in every precision."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino
import pytest
import torch

from dawson.core.errors import ModelError, UsageError
from dawson.model.calibration import calibrate
from dawson.model.card import INT8, Model, load_model
from dawson.model.engine import _compiled, load_engine, precision
from dawson.model.onnx import save_onnx, to_onnx
from dawson.model.quantise import forget, quantise, ranges_fed
from dawson.model.unet import UNet
from dawson.model.windows import run_windows
from dawson.recipe import Network, Prepare, Recipe
from dawson.synthesis.tissues import Anatomy
from dawson.training.export import export
from fixtures.weights import weights_of

OUTPUTS = 1 + len(Anatomy)


@pytest.fixture(scope="module")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = Recipe("small", Prepare(window=32), Network((4, 8, 12), (1, 2, 1)))
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model")
    return export(
        UNet(recipe.network, channels=3, anatomy_classes=len(Anatomy)).state_dict(), recipe, folder, {"steps": 0}
    )


def torch_scores(folder: Path, images: np.ndarray) -> np.ndarray:
    model = load_model(folder)
    network = UNet(model.recipe.network, channels=3, anatomy_classes=len(model.anatomy_names)).eval()
    network.load_state_dict({k: v.float() for k, v in weights_of(folder).items()})
    with torch.no_grad():
        logits = network(torch.from_numpy(images)[None])[0]
    return torch.cat([logits[:1].sigmoid(), logits[1:].softmax(0)]).numpy()


def test_onnx_and_torch_agree(small_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAWSON_PRECISION", "f32")
    images = np.random.default_rng(1).random((3, 32, 32, 32), dtype=np.float32)
    found = load_engine(load_model(small_model))(images)
    assert np.abs(found - torch_scores(small_model, images)).max() < 1e-4


@pytest.mark.parametrize("offset", [-300.0, 300.0])
def test_what_all_classes_have_in_common_changes_nothing(small_model: Path, tmp_path: Path, offset: float) -> None:
    """Training leaves that free; a lesion's logit of such a size is a probability of 0 or 1."""
    model = load_model(small_model)
    weights = weights_of(small_model)
    weights["head.bias"][:] = weights["head.bias"] + offset
    folder = export(weights, model.recipe, tmp_path / "model", {"steps": 0})
    images = np.random.default_rng(1).random((3, 32, 32, 32), dtype=np.float32)
    found = load_engine(load_model(folder), "f32")(images)
    assert np.abs(found[1:] - torch_scores(small_model, images)[1:]).max() < 1e-3
    assert np.abs(found[0] - float(offset > 0)).max() < 1e-6


def test_the_shipped_weights_give_the_same_mask_either_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAWSON_PRECISION", "f32")
    model = load_model()
    n = model.recipe.prepare.window
    i, j, k = np.meshgrid(*[np.linspace(-1, 1, n)] * 3, indexing="ij")
    brain = (i**2 + j**2 + k**2 < 0.8).astype(np.float32)
    spots = (np.sin(9 * i) * np.sin(8 * j) * np.sin(7 * k) > 0.7) * brain
    # Without noise, as no scan is, whole channels are constant but for rounding, and normalisation lifts that.
    noise = 0.05 * np.random.default_rng(0).standard_normal((3, n, n, n)) * brain
    images = np.maximum(np.stack([brain + 0.9 * spots, brain, brain + spots]) + noise, 0).astype(np.float32)
    found, wanted = load_engine(model)(images), torch_scores(model.folder, images)
    assert np.abs(found - wanted).max() < 2e-2
    surely, torch_surely = (calibrate(s[0], *model.calibration_of("flair+t1+t2")) for s in (found, wanted))
    one, two = surely >= model.threshold, torch_surely >= model.threshold
    # The engines add up in different orders: only voxels that lie on the threshold itself may fall either way.
    assert (np.abs(torch_surely - model.threshold)[one != two] < 2e-2).all()
    assert 2 * np.count_nonzero(one & two) > 0.998 * (np.count_nonzero(one) + np.count_nonzero(two)) > 0
    assert np.mean(found[1:].argmax(axis=0) != wanted[1:].argmax(axis=0)) < 1e-3


def test_without_anatomy_the_lesion_is_all_that_is_scored(tmp_path: Path) -> None:
    recipe = Recipe("small", Prepare(window=32), Network((4, 8), (1, 1)))
    network = UNet(recipe.network, channels=3, anatomy_classes=0).eval()
    graph = to_onnx(
        {name: weight.numpy() for name, weight in network.state_dict().items()},
        recipe.network,
        channels=3,
        shape=(32, 32, 32),
        outputs=1,
    )
    save_onnx(graph, tmp_path / "model.onnx")
    images = np.random.default_rng(1).random((1, 3, 32, 32, 32), dtype=np.float32)
    found = openvino.Core().compile_model(str(tmp_path / "model.onnx"), "CPU")(images)[0]
    with torch.no_grad():
        wanted = network(torch.from_numpy(images)).sigmoid().numpy()
    assert found.shape == (1, 1, 32, 32, 32)
    assert np.abs(found - wanted).max() < 1e-2  # bf16, where the CPU has it


@pytest.mark.parametrize("wanted", ["f32", "bf16"])
def test_sure_probabilities_stay_probabilities(small_model: Path, tmp_path: Path, wanted: str) -> None:
    """Logits of ±10, as trained networks have them: what is rounded may not lift a score above 1, or take it far."""
    model = load_model(small_model)
    weights = weights_of(small_model)
    weights["head.weight"] *= 10 / weights["head.weight"].abs().sum(dim=1, keepdim=True).clamp(min=1e-6)
    weights["head.bias"].zero_()
    sure = load_model(export(weights, model.recipe, tmp_path / "model", {"steps": 0}))
    images = np.random.default_rng(1).random((3, 32, 32, 32), dtype=np.float32)
    try:
        found = load_engine(sure, wanted)(images)
    except UsageError:
        pytest.skip("this CPU has no bf16")
    true = torch_scores(sure.folder, images)
    assert true.max() > 0.999
    assert found.max() <= 1
    assert np.allclose(found[1:].sum(axis=0), 1, atol=1e-5 if wanted == "f32" else 2e-2)
    odds, wished = (np.log(np.clip(p[0], 1e-4, 1 - 1e-4)) - np.log(np.clip(1 - p[0], 1e-4, 1)) for p in (found, true))
    assert np.abs(odds - wished).max() < (1e-2 if wanted == "f32" else 0.5)


def test_half_precision_hardly_moves_a_probability(small_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(4).random((3, 32, 32, 32), dtype=np.float32)
    found = {}
    for wanted in ("f32", "bf16"):
        monkeypatch.setenv("DAWSON_PRECISION", wanted)
        try:
            found[wanted] = load_engine(load_model(small_model))(images)
        except UsageError:
            pytest.skip("this CPU has no bf16")
    assert 0 < np.abs(found["f32"] - found["bf16"]).max() < 0.05


def test_an_unknown_precision_is_refused(small_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAWSON_PRECISION", "f8")
    with pytest.raises(UsageError, match="int8, f32 or bf16"):
        load_engine(load_model(small_model))


def test_an_engine_may_be_called_by_several_threads(small_model: Path) -> None:
    images = [np.random.default_rng(n).random((3, 32, 32, 32), dtype=np.float32) for n in range(8)]
    infer = load_engine(load_model(small_model), "f32", at_once=2)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(infer, images))
    for image, found in zip(images, together, strict=True):
        assert np.array_equal(infer(image), found)


def test_windows_by_an_engine_are_those_of_a_plain_function(small_model: Path) -> None:
    """What the engine lends for as long as a window is reduced must not change afterwards."""
    engine = load_engine(load_model(small_model), "f32", at_once=2)
    images = np.random.default_rng(5).random((3, 80, 40, 50), dtype=np.float32)
    settings = {"window": 32, "overlap": 0.25, "outputs": OUTPUTS, "classes": np.ones(OUTPUTS - 1)}
    lent = run_windows(engine, images, **settings, at_once=2)
    copied = run_windows(engine.__call__, images, **settings)
    assert all(np.array_equal(a, b) for a, b in zip(lent, copied, strict=True))
    assert np.ptp(lent[1]) > 0


def test_inference_repeats_to_the_bit(small_model: Path) -> None:
    images = np.random.default_rng(2).random((3, 32, 32, 32), dtype=np.float32)
    one = load_engine(load_model(small_model))(images)
    _compiled.cache_clear()
    two = load_engine(load_model(small_model))(images)
    assert np.array_equal(one, two)


def test_a_network_is_compiled_once_and_anew_where_its_file_is_another(small_model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(small_model, tmp_path / "model"))
    images = np.random.default_rng(2).random((3, 32, 32, 32), dtype=np.float32)
    model = load_model(folder)
    one = load_engine(model, "f32")
    assert load_engine(load_model(folder), "f32") is one
    assert load_engine(model, "f32", at_once=1) is not one
    weights = weights_of(folder)
    weights["head.bias"][0] += 1
    export(weights, model.recipe, folder, {"steps": 1})
    assert load_engine(model, "f32", keep=False) is not load_engine(model, "f32")
    another = load_engine(load_model(folder), "f32")
    assert (another(images)[0] > one(images)[0]).all()


def test_a_file_that_is_no_network_is_named(small_model: Path, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"model\.onnx"):
        load_engine(replace(load_model(small_model), folder=tmp_path))


@pytest.fixture
def quantised(small_model: Path, tmp_path: Path) -> Model:
    folder = shutil.copytree(small_model, tmp_path / "model")
    generator = torch.Generator().manual_seed(7)
    quantise(folder, (torch.rand((3, 32, 32, 32), generator=generator) for _ in range(4)))
    return load_model(folder)


def test_integers_hardly_move_a_probability(quantised: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(4).random((3, 32, 32, 32), dtype=np.float32)
    found = {}
    for wanted in ("f32", "int8"):
        monkeypatch.setenv("DAWSON_PRECISION", wanted)
        assert precision(quantised) == wanted
        found[wanted] = load_engine(quantised)(images)
    assert 0 < np.abs(found["f32"] - found["int8"]).max() < 0.05


def test_a_model_without_integers_is_computed_in_what_runs_everywhere(
    small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(small_model)
    assert model.int8 is None
    monkeypatch.setenv("DAWSON_PRECISION", "int8")
    assert precision(model) == "f32"


def test_integers_that_agree_too_little_can_be_forgotten(quantised: Model) -> None:
    forget(quantised.folder)
    again = load_model(quantised.folder)
    assert again.int8 is None
    assert set(again.card["sha256"]) == {"model.onnx"}
    assert not (quantised.folder / "model.int8.onnx").exists()


def test_an_engine_may_be_told_what_to_compute_in(quantised: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the locator is: in f32 whatever the user asks for."""
    images = np.random.default_rng(4).random((3, 32, 32, 32), dtype=np.float32)
    monkeypatch.setenv("DAWSON_PRECISION", "f32")
    wanted = load_engine(quantised)(images)
    monkeypatch.setenv("DAWSON_PRECISION", "int8")
    assert np.array_equal(load_engine(quantised, "f32")(images), wanted)
    assert not np.array_equal(load_engine(quantised)(images), wanted)


def test_integers_are_taken_of_themselves_on_x86(quantised: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAWSON_PRECISION", raising=False)
    usual = openvino.Core().get_property("CPU", "INFERENCE_PRECISION_HINT") == openvino.Type.bf16
    hashes = {file: value for file, value in quantised.card["sha256"].items() if file != INT8}
    without = replace(quantised, card=quantised.card | {"sha256": hashes})
    monkeypatch.setattr("platform.machine", lambda: "AMD64")
    assert precision(quantised) == "int8"
    assert precision(without) == ("bf16" if usual else "f32")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert precision(quantised) == ("bf16" if usual else "f32")


def test_integers_that_differ_from_their_hash_are_refused(quantised: Model) -> None:
    assert quantised.int8 is not None
    quantised.int8.write_bytes(quantised.int8.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"model\.int8\.onnx.*hash"):
        load_model(quantised.folder)


def test_training_again_forgets_old_integers(quantised: Model) -> None:
    model, weights = quantised, weights_of(quantised.folder)
    export(weights, model.recipe, model.folder, {"steps": 1})
    assert load_model(model.folder).int8 is None
    assert not (model.folder / "model.int8.onnx").exists()


def test_ranges_are_of_what_convolutions_are_fed() -> None:
    network = UNet(Network((4, 8), (1, 1)), channels=3, anatomy_classes=2)
    images = [torch.full((3, 16, 16, 16), value) for value in (-1.0, 3.0)]
    seen: list[torch.Tensor] = []
    network.down[1][0].convolution.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    ranges = ranges_fed(network, images)
    assert set(ranges) == {"down.1.0.convolution", "up.0", "merge.0.0.convolution"}
    together = torch.cat(seen)
    assert ranges["down.1.0.convolution"] == (float(together.min()), float(together.max()))


def test_inference_speaks_to_nobody(small_model: Path) -> None:
    code = (
        "import sys\n"
        "calls = []\n"
        "sys.addaudithook(lambda name, args: calls.append((name, args)) if name.startswith('socket.') else None)\n"
        "import numpy as np\n"
        "from pathlib import Path\n"
        "from dawson.model.engine import load_engine\n"
        "from dawson.model.card import load_model\n"
        f"infer = load_engine(load_model(Path({str(small_model)!r})))\n"
        "infer(np.zeros((3, 32, 32, 32), np.float32))\n"
        "import time; time.sleep(1)\n"
        "assert not calls, calls\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
