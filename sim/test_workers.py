"""A run spread over processes or a Dask cluster: the same results, whatever dies on the way."""

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from hw.compiler import compile_network
from model import format as exported
from model.errors import CheckError, UserError
from sim.batches import Batch, Job, prepare, split
from sim.compiled.toolchain import missing
from sim.patience import patience
from sim.recorder import ImageTensors
from sim.synthetic import random_images, random_network
from sim.test_run import ctrl_c, start_long, wait_for
from sim.workers import client as client_side
from sim.workers import cluster as cluster_side
from sim.workers import remote
from sim.workers.interrupt import Cut, Interrupt
from sim.workers.process import THREAD_VARIABLES
from sim.workers.processes import MOST_DEATHS
from sim.workers.results import Ledger
from sim.workers.spread import run_all

ROOT = Path(__file__).parent.parent
IMAGES, BATCH = 14, 3
PAUSE = 0.2


def make_job(seed, **options):
    """A network that Amaranth simulates in a tenth of a second an image."""
    network = random_network(seed, image=(1, 4, 4), channels=(2, 3), levels=1, tau=3, classes=3)
    program = compile_network(network, pixels=4, channels=1)
    return Job(program, "python", **options), random_images(seed, network, IMAGES)


@pytest.fixture
def work(seed):
    job, images = make_job(seed, keep=True)
    return job, split(images, BATCH)


@pytest.fixture(scope="module")
def expected(request):
    """The results that a loop of `run_batch` gives, of the same work."""
    job, images = make_job(request.config.getoption("--seed"), keep=True)
    return run_all(job, split(images, BATCH)).batches


@pytest.fixture(scope="module")
def cluster():
    """A Dask cluster of two worker processes."""
    distributed = pytest.importorskip("distributed", reason="Dask is not installed (extra cluster)")
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    with distributed.LocalCluster(**options, dashboard_address=":0") as local:
        yield local


@pytest.fixture
def client(cluster):
    from distributed import Client

    with Client(cluster, set_as_default=False) as connected:
        connected.wait_for_workers(2, timeout=30)
        yield connected


@pytest.fixture(params=["processes", "cluster"])
def way(request):
    """Each way to spread a run, as options of `run_all`."""
    if request.param == "processes":
        return {"jobs": 2}
    return {"scheduler": request.getfixturevalue("cluster").scheduler_address}


def children():
    """Our worker processes; Dask's nannies have some too."""
    found = multiprocessing.active_children()
    return [process for process in found if process.name.startswith("simulation")]


def same(found, wanted):
    """Every array of every result."""
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        for field in fields(one):
            left, right = getattr(one, field.name), getattr(other, field.name)
            if field.name == "images":
                assert len(left) == len(right) == len(one.labels)
                for tensors in zip(left, right, strict=True):
                    same_tensors(*tensors)
            else:
                assert np.array_equal(left, right), field.name


def same_tensors(one: ImageTensors, other: ImageTensors):
    assert np.array_equal(one.planes, other.planes) and one.label == other.label
    assert all(map(np.array_equal, one.activations, other.activations))
    assert np.array_equal(one.scores, other.scores)


def test_the_results_are_the_same_and_progress_counts_all_workers(work, expected, way):
    seen = []
    results = run_all(*work, **way, on_progress=lambda *totals: seen.append(totals))
    assert not results.interrupted
    same(results.batches, expected)
    assert [batch.first for batch in results.batches] == list(range(0, IMAGES, BATCH))
    assert seen == sorted(seen)
    assert seen[-1] == (sum(batch.total for batch in expected), IMAGES, 0)
    # Live, and not only where a batch ends.
    if "jobs" in way:
        assert len({images for _, images, _ in seen}) > len(expected) + 1


def test_differing_values_are_counted(work):
    job, batches = work
    head = job.program.network.head
    layers = (*job.program.network.convs, replace(head, bias=head.bias + 1))
    network = replace(job.program.network, layers=layers)
    job = replace(job, program=replace(job.program, network=network))
    seen = []
    run_all(job, batches[:2], jobs=2, on_progress=lambda *totals: seen.append(totals))
    assert seen[-1][1:] == (2 * BATCH, 2 * BATCH * 3)


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_compiled(seed, cluster):
    """Workers use the simulator that the parent has built, and build it where they have none."""
    network = random_network(seed, image=(1, 2, 2), channels=(2,), pools=("none",), levels=1)
    program = compile_network(network, pixels=4, channels=1)
    job = Job(program, "compiled", library=prepare(program, "compiled"), keep=True)
    batches = split(random_images(seed, network, 200), 50)
    serial = run_all(job, batches).batches
    same(run_all(job, batches, jobs=2).batches, serial)
    elsewhere = replace(job, library=Path("/nowhere/simulator.so"))
    same(run_all(elsewhere, batches, scheduler=cluster.scheduler_address).batches, serial)


def test_a_process_killed_in_its_batch_costs_only_time(work, expected):
    killed = []

    def kill_one(cycles, images, differing):
        if images > BATCH and not killed:
            killed.extend(children()[:1])
            os.kill(killed[0].pid, signal.SIGKILL)

    results = run_all(*work, jobs=2, on_progress=kill_one)
    same(results.batches, expected)
    assert killed and not children()


def test_a_dask_worker_killed_in_its_batch_costs_only_time(work, expected, cluster, client):
    processes = client.run(os.getpid)
    killed = []

    def kill_one():
        while not killed:
            busy = [worker for worker, tasks in client.processing().items() if tasks]
            time.sleep(PAUSE)
            if len(busy) == 2:
                os.kill(processes[busy[0]], signal.SIGKILL)
                killed.append(busy[0])

    thread = threading.Thread(target=kill_one)
    thread.start()
    results = run_all(*work, scheduler=cluster.scheduler_address)
    thread.join()
    same(results.batches, expected)
    assert killed


class Trap:
    """In the place of a batch's images; does something where it is unpacked."""

    def __init__(self, what):
        self.what, self.home = what, os.getpid()

    def __len__(self):
        return BATCH

    def __reduce__(self):
        return _spring, (self.what, self.home)


def _spring(what, home):
    """The Dask scheduler of these tests, which unpacks every task, lives in the test's process."""
    if os.getpid() == home:
        return Trap(what)
    if what is None:
        os.kill(os.getpid(), signal.SIGKILL)
    return Raising(what)


class Raising:
    """Images that raise when they are counted."""

    def __init__(self, error):
        self.error = error

    def __len__(self):
        raise self.error


def test_a_batch_that_kills_its_workers_is_named(work, way, cluster, monkeypatch):
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    job, batches = work
    batches[1] = Batch(BATCH, Trap(None))
    deaths = MOST_DEATHS if "jobs" in way else 1
    with pytest.raises(UserError, match=rf"^images 103 to 105: {deaths} .* memory: ") as caught:
        run_all(replace(job, number=100), batches, **way)
    assert "\n" not in str(caught.value)
    assert not children() or "scheduler" in way


@pytest.mark.parametrize("error", [CheckError("the engine hangs"), UserError("no")], ids=repr)
def test_an_exception_arrives_as_it_was_raised_and_the_first_one_counts(work, way, error):
    job, batches = work
    # The last one is met at once, while those before it still run.
    batches[1], batches[2] = Batch(BATCH, Trap(error)), Batch(2 * BATCH, Trap(ValueError("later")))
    with pytest.raises(type(error)) as caught:
        run_all(job, batches[:3], **way)
    assert type(caught.value) is type(error) and str(caught.value) == str(error)


def test_a_fault_of_ours_says_where_it_was_raised(work):
    job, batches = work
    batches[0] = Batch(0, Trap(ValueError("odd")))
    with pytest.raises(ValueError, match="odd") as caught:
        run_all(job, batches, jobs=2)
    assert "in __len__" in caught.value.__notes__[0]


def test_ledger_hands_out_in_order_and_keeps_what_has_no_gap(expected):
    ledger = Ledger(expected, lambda *totals: None)
    assert [ledger.take() for _ in range(3)] == [0, 1, 2]
    ledger.put_back(1)
    assert [ledger.take(), ledger.take()] == [1, 3]
    ledger.add(0, expected[0])
    ledger.add(2, expected[2])
    results = ledger.results()
    assert results.interrupted and results.batches == [expected[0]]
    short = replace(expected[1], labels=expected[1].labels[:1])
    ledger.add(1, short)
    assert ledger.results().batches == [expected[0], short]
    ledger.fail(3, CheckError("bad"))
    assert ledger.take() is None and ledger.finished
    with pytest.raises(CheckError, match="bad"):
        ledger.results()


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_keeps_the_images_that_are_done(work, expected, jobs):
    """Also those of the batch that was under way, every record of them."""
    handler = signal.getsignal(signal.SIGINT)
    sent = []

    def interrupt(cycles, images, differing):
        if images > BATCH and not sent:
            sent.append(time.monotonic())
            signal.raise_signal(signal.SIGINT)

    results = run_all(*work, jobs=jobs, on_progress=interrupt)
    assert time.monotonic() - sent[0] < patience(2)
    assert signal.getsignal(signal.SIGINT) is handler
    assert results.interrupted and not children()
    *whole, last = results.batches
    same(whole, expected[: len(whole)])
    count = len(last.labels)
    wanted = expected[len(whole)]
    assert last.asked == wanted.asked and last.first == wanted.first and 0 < count <= last.asked
    for name in ("labels", "cycles", "starts", "results", "differing"):
        assert np.array_equal(getattr(last, name), getattr(wanted, name)[:count])
    for tensors in zip(last.images, wanted.images[:count], strict=True):
        same_tensors(*tensors)
    assert {c.values * wanted.asked for c in last.tensors} == {
        c.values * count for c in wanted.tensors
    }


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_second_ctrl_c_ends_it_at_once(work, jobs):
    def interrupt(cycles, images, differing):
        if images:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_all(*work, jobs=jobs, on_progress=interrupt)
    assert not children()


def test_interrupt_where_nothing_can_ask():
    with Interrupt() as interrupt:
        signal.raise_signal(signal.SIGINT)
    assert interrupt.asked
    with pytest.raises(Cut), Interrupt() as interrupt:
        interrupt.abrupt = True
        signal.raise_signal(signal.SIGINT)


def test_outside_of_the_main_thread(work, expected):
    found = []
    thread = threading.Thread(target=lambda: found.append(run_all(*work, jobs=2)))
    thread.start()
    thread.join()
    same(found[0].batches, expected)


def idle(client):
    """No task on the scheduler and none running on a worker."""

    def tasks(dask_scheduler):
        return len(dask_scheduler.tasks)

    def running(dask_worker):
        return len(dask_worker.active_threads)

    return not client.run_on_scheduler(tasks) and not any(client.run(running).values())


def test_ctrl_c_leaves_the_cluster_clean(work, expected, cluster, client):
    sent = []

    def interrupt(cycles, images, differing):
        if images and not sent:
            sent.append(time.monotonic())
            signal.raise_signal(signal.SIGINT)

    results = run_all(*work, scheduler=cluster.scheduler_address, on_progress=interrupt)
    assert time.monotonic() - sent[0] < patience(2)
    assert results.interrupted and len(results.batches) < len(expected)
    same(results.batches, expected[: len(results.batches)])
    while not idle(client):
        # A worker's thread sees it at the next progress report.
        assert time.monotonic() - sent[0] < 5
        time.sleep(0.05)
    same(run_all(*work, scheduler=cluster.scheduler_address).batches, expected)


def test_ctrl_c_of_the_command_says_one_line(seed, cluster, client, tmp_path):
    """With the first results there; none of what Dask has to say about it."""
    network = random_network(seed, channels=(4, 6), tau=3)
    model = tmp_path / "tiny.safetensors"
    exported.save(replace(network, provenance={"dataset": "digits"}), model)
    process = start_long(model, tmp_path / "out", "--scheduler", cluster.scheduler_address)
    wait_for(process, r"  [1-9]\d*/364 images")
    errors = ctrl_c(process)
    images = json.loads((tmp_path / "out" / "report.json").read_text())["images"]
    assert 0 < images < 364
    assert errors == f"interrupted: the report covers the first {images} of 364 images\n"
    end = time.monotonic() + 5
    while not idle(client) and time.monotonic() < end:
        time.sleep(0.05)
    assert idle(client)


def test_few_batches_are_in_flight(work, cluster, client, monkeypatch):
    """The images of a large run stay here until a worker can use them soon."""
    job, _ = work
    flying = []
    submit = cluster_side._Run.step

    def step(run):
        submit(run)
        flying.append(len(run._flying))

    monkeypatch.setattr(cluster_side._Run, "step", step)
    batches = split(random_images(1, job.program.network, 12), 1)
    run_all(job, batches, scheduler=cluster.scheduler_address)
    assert max(flying) == 2


def fails(work, address, message):
    started = time.monotonic()
    with pytest.raises(UserError, match=message) as caught:
        run_all(*work, scheduler=address)
    assert "\n" not in str(caught.value) and caught.value.exit_status == 2
    return time.monotonic() - started


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "127.0.0.1", "x://y", "tcp://no.where:1"])
def test_no_scheduler_there(work, address, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(client_side, "CONNECT_SECONDS", 0.5)
    assert fails(work, address, f"^--scheduler {address}: no Dask scheduler can be reached") < 5


def test_something_else_listens_there(work, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(client_side, "CONNECT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        assert fails(work, address, "no Dask scheduler can be reached there") < 5


def test_without_dask(work, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    fails(work, "tcp://127.0.0.1:9", r"^--scheduler: .*pip install 'subbit\[cluster\]'$")


def test_a_cluster_without_workers(work, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(cluster_side, "FIRST_WORKER_SECONDS", 1)
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0") as empty:
        fails(work, empty.scheduler_address, "had no worker for 1 s: start one with 'dask worker")


def test_a_cluster_of_another_version(work, cluster, tmp_path, monkeypatch):
    # The scheduler shares this process, the workers do not.
    monkeypatch.setattr(remote, "ROOT", tmp_path)
    fails(work, cluster.scheduler_address, "the worker at .* has another version of this project")


def test_a_worker_without_this_project(work, tmp_path):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0") as other:
        address = other.scheduler_address
        command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--no-nanny"]
        # Before an installed one, in the way of which this stands.
        (tmp_path / "sim.py").write_text("raise ModuleNotFoundError(\"No module named 'sim'\")\n")
        environment = os.environ | {"PYTHONPATH": str(tmp_path)}
        with (tmp_path / "log").open("w") as log:
            worker = subprocess.Popen(
                [*command, "--no-dashboard"], cwd=tmp_path, env=environment, stderr=log
            )
        try:
            with distributed.Client(other, set_as_default=False) as client:
                client.wait_for_workers(1, timeout=30)
            fails(work, address, r"the worker at .* cannot import this project \(.*No module named")
        finally:
            worker.kill()
            worker.wait()


def test_workers_use_one_thread_each_and_cannot_be_interrupted(work, monkeypatch):
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    found = []

    def look(cycles, images, differing):
        if images and not found:
            for process in children():
                os.kill(process.pid, signal.SIGINT)
                environment = Path(f"/proc/{process.pid}/environ")
                if environment.exists():
                    found.append(environment.read_bytes().split(b"\0"))

    if not Path("/proc/self/environ").exists():
        pytest.skip("no /proc here")
    assert not run_all(*work, jobs=2, on_progress=look).interrupted
    assert len(found) == 2
    for environment in found:
        assert {f"{name}=1".encode() for name in THREAD_VARIABLES} <= set(environment)
    assert not set(THREAD_VARIABLES) & set(os.environ)
