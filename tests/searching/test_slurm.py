"""Grid search through a real Slurm: a cluster of this one machine, started here and ended here.

Needs the Debian packages slurm-wlm and munge. Everything listens on the loopback address alone and lives in
a temporary folder; no installed configuration is read or changed.
"""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dawson.core.errors import UsageError
from dawson.searching import submit
from dawson.searching.task import Place, epochs_of
from fixtures import quick_train
from fixtures.runs import search_with

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "sinfo")
SYSTEM = "/usr/sbin:/sbin"  # where daemons lie, and users' PATH may not lead
CONFIGURATION = """
ClusterName=dawson
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
# A requeued job waits until its old credential has expired.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_for(what: Callable[[], bool], *, seconds: float, why: Callable[[], str]) -> None:
    until = time.monotonic() + seconds
    while not what():
        if time.monotonic() > until:
            pytest.fail(why())
        time.sleep(0.05)


def said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30).stdout


def loopback_name() -> str:
    """This machine's name, which Slurm's programs bind to; skips where it stands for another address."""
    host = socket.gethostname().partition(".")[0]
    try:
        address = socket.gethostbyname(host)
    except OSError:
        address = "nothing"
    if not address.startswith("127."):
        pytest.skip(f"the host name stands for {address}: give it 127.0.0.1 in /etc/hosts, to stay on loopback")
    return host


def configure(folder: Path, host: str) -> None:
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    settings = {"host": host, "user": getpass.getuser(), "folder": folder, "cores": os.cpu_count()}
    (folder / "slurm.conf").write_text(CONFIGURATION.format(ports=free_ports(2), **settings))
    version = said("sbatch", "--version").split()[-1]
    # No job is put into a cgroup; Slurm wants a plugin for them all the same, before 23.11 a real one.
    old = tuple(int(part) for part in version.split(".")[:2]) < (23, 11)
    (folder / "cgroup.conf").write_text(f"CgroupPlugin={'cgroup/v1' if old else 'disabled'}\n")


def end(started: list[subprocess.Popen[bytes]]) -> None:
    """End all jobs, then the daemons: exactly those that were started here."""
    if len(started) > 1:
        said("scancel", f"--user={os.getuid()}")
        until = time.monotonic() + 15
        while time.monotonic() < until and said("squeue", "--noheader"):
            time.sleep(0.1)
    for process in reversed(started):
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    """A running cluster of one node; its folder, which is gone afterwards, as are its processes."""
    path = f"{os.environ['PATH']}:{SYSTEM}"
    missing = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed; apt-get install slurm-wlm munge")
    host = loopback_name()
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # a short name: paths of sockets end at 107 signs
    started: list[subprocess.Popen[bytes]] = []
    patch = pytest.MonkeyPatch()

    def start(name: str, *arguments: str) -> None:
        with (folder / f"{name}.out").open("wb") as out:
            program = shutil.which(name, path=path)
            started.append(subprocess.Popen([program, *arguments], stdout=out, stderr=out, start_new_session=True))

    def logs() -> str:
        return "\n".join(file.read_text(errors="replace") for file in folder.glob("*.out"))

    try:
        patch.setenv("PATH", path)
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=os.pathsep)
        for name in [name for name in os.environ if name.startswith(("SLURM_", "SBATCH_"))]:
            patch.delenv(name)
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        configure(folder, host)
        files = {
            "socket": "munge.socket",
            "key-file": "munge.key",
            "pid-file": "munged.pid",
            "log-file": "munged.log",
            "seed-file": "munge.seed",
        }
        own = [f"--{option}={folder / name}" for option, name in files.items()]
        start("munged", "--foreground", "--force", *own)
        wait_for((folder / "munge.socket").exists, seconds=10, why=logs)
        start("slurmctld", "-D")
        start("slurmd", "-D")
        wait_for(lambda: said("sinfo", "--noheader", "--format=%T") == "idle\n", seconds=20, why=logs)
        yield folder
    finally:
        end(started)
        patch.undo()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def cases(tmp_path_factory, write_head) -> Path:
    return quick_train.write_cohort(tmp_path_factory.mktemp("cohort") / "cases", write_head)


@pytest.fixture
def find(cluster: Path, cases: Path, tmp_path: Path, monkeypatch):
    """Search on the cluster, looking often; runs named in ``out/slow`` wait in their third epoch."""
    monkeypatch.setattr(submit, "GRACE_S", {"slurm": 1.0, "local": 0.0})
    (tmp_path / "out").mkdir()

    def run(*grid: str, place: str | None = None, **options):
        where = Place("slurm", int(place) if place else None)
        slurm = {"time": "10", **options.pop("slurm", {})}
        options = {"cases": cases, "split": "4/1/1", "run": quick_train.train, "poll_s": 0.2, **options}
        return search_with("paper", tmp_path / "out", grid=grid, place=where, slurm=slurm, **options)

    return run


def known(out: Path, point: str) -> dict[str, object]:
    return json.loads((out / point / "known.json").read_text())


def test_a_search_of_two_by_two_runs_through_slurm(find) -> None:
    at_once, there = [], set()

    def tell(name, state, known):
        there.add(name) if state in ("waiting", "running") else there.discard(name)
        at_once.append(len(there))

    slurm = {"partition": "all", "cpus_per_task": "1"}
    found = find("optimizer.lr=1e-3,1e-4", "loss.lambda=0.25,0.5", place="3", slurm=slurm, tell=tell)
    assert max(at_once) == 3
    assert [row.state for row in found.rows] == ["finished"] * 4
    assert [row.point.name for row in found.rows][:2] == ["lr=0.0001_lambda=0.5", "lr=0.0001_lambda=0.25"]
    jobs = {known(found.out, row.point.name)["job"] for row in found.rows}
    assert len(jobs) == 4 and None not in jobs
    assert jobs == {file.read_text().strip() for file in found.out.glob("jobs/*.job")}
    assert (found.out / "search.png").exists()


def test_a_point_killed_by_scancel_is_told_and_taken_up_by_a_rerun(find, tmp_path: Path) -> None:
    out, slow = tmp_path / "out", "lr=0.001"
    (out / "slow").write_text(slow)

    def kill(name, state, known):
        if name == slow and known.get("epoch") == 2:
            said("scancel", (out / "jobs" / f"{slow}.job").read_text().strip())

    found = find("optimizer.lr=1e-3,1e-4", tell=kill)
    assert [(row.point.name, row.state) for row in found.rows] == [("lr=0.0001", "finished"), (slow, "failed")]
    assert "(CANCELLED)" in found.rows[1].reason
    (out / "slow").unlink()
    found = find("optimizer.lr=1e-3,1e-4")
    assert [row.state for row in found.rows] == ["finished"] * 2
    assert known(out, slow)["began_at"] == 2
    assert [record["epoch"] for record in epochs_of(out / slow)] == [1, 2, 3, 4, 5]


def test_a_job_that_is_still_queued_is_watched_not_submitted_again(find, tmp_path: Path) -> None:
    out, slow = tmp_path / "out", "lr=0.001"
    (out / "slow").write_text(slow)

    def interrupt(name, state, known):
        if known.get("epoch") == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find("optimizer.lr=1e-3", tell=interrupt)
    number = (out / "jobs" / f"{slow}.job").read_text()
    (out / "slow").unlink()
    found = find("optimizer.lr=1e-3")
    assert found.rows[0].state == "finished"
    assert (out / "jobs" / f"{slow}.job").read_text() == number
    assert (known(out, slow)["job"], known(out, slow)["began_at"]) == (number.strip(), 0)


def test_a_job_at_its_time_limit_is_requeued_and_goes_on(find, tmp_path: Path) -> None:
    out, slow = tmp_path / "out", "lr=0.001"
    (out / "slow").write_text(slow)
    at_limit = []

    def limit(name, state, known):
        if known.get("epoch") == 2 and not at_limit:  # what Slurm sends shortly before the time limit
            at_limit.append((out / "jobs" / f"{slow}.job").read_text().strip())
            said("scancel", "--signal=USR2", at_limit[0])
            queued = ("squeue", "--noheader", "--format=%T", f"--jobs={at_limit[0]}")
            wait_for(lambda: said(*queued) == "PENDING\n", seconds=20, why=lambda: said(*queued))
            (out / "slow").unlink()

    found = find("optimizer.lr=1e-3", tell=limit)
    assert found.rows[0].state == "finished"
    assert (known(out, slow)["job"], known(out, slow)["began_at"]) == (at_limit[0], 2)


def test_options_that_slurm_does_not_take_are_refused(find, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Slurm refused a job .*partition"):
        find("optimizer.lr=1e-3", slurm={"partition": "nowhere"})


def test_real_training_runs_through_slurm(find) -> None:
    found = find("optimizer.lr=1e-3", run=None, overrides=quick_train.TINY, workers=0)
    assert [(row.state, row.steps, row.reason) for row in found.rows] == [("finished", 4, "")]
    assert (found.out / "lr=0.001" / "model").is_dir()
