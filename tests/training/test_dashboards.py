"""What further loggers are told of a run."""

import sys
import types

import numpy as np
import pytest

from small_runs import SMALL, InterruptAfter, Interruption, status
from upslope.core.checks import UpslopeError
from upslope.training.config import resolve
from upslope.training.loggers import LOGGERS, Sinks, check_loggers, train_key
from upslope.training.mlflow_sink import MlflowSink
from upslope.training.sink import Dashboard, finite
from upslope.training.tensorboard_sink import TensorBoardSink
from upslope.training.train import resume, train
from upslope.training.wandb_sink import WandbSink, check_wandb

TINY = dict(SMALL["ppo"], seeds=2, evaluations=3, evaluation_episodes=2, final_episodes=4, seed=7)


class FakeRun:
    """A run of W&B: it keeps what it is told, and drops rows that go back, as the real one does."""

    def __init__(self, **settings):
        self.settings, self.rows, self.dropped, self.finished = settings, [], [], False
        self.offline, self.exit_code = True, None

    def log(self, values, step):
        kept = not self.rows or step >= self.rows[-1][0]
        (self.rows if kept else self.dropped).append((step, values))

    def finish(self, exit_code):
        self.finished, self.exit_code = True, exit_code


@pytest.fixture
def runs(monkeypatch):
    """The runs that a fake wandb was asked for."""
    asked = []
    fake = types.ModuleType("wandb")
    fake.init = lambda **settings: asked.append(FakeRun(**settings)) or asked[-1]
    fake.setup = lambda: types.SimpleNamespace(settings=types.SimpleNamespace(mode="offline"))
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return asked


@pytest.mark.slow
def test_wandb_gets_the_settings_the_rows_and_every_evaluation(runs, tmp_path):
    run = train("CartPole-v1", "ppo", out=tmp_path / "mine", loggers="wandb", **TINY)
    (told,) = runs
    assert told.finished
    assert told.settings["project"] == "upslope"
    assert told.settings["name"] == "mine"
    assert told.settings["config"] == run.config.to_dict()
    assert not told.dropped
    merged = [row for _, row in told.rows]
    assert {"rollout/ep_rew_mean", "train/approx_kl"} <= set().union(*merged)
    assert all(isinstance(v, float) and np.isfinite(v) for row in merged for v in row.values())
    evaluated = [(s, row["eval/mean_reward"]) for s, row in told.rows if "eval/mean_reward" in row]
    assert evaluated == [(int(e.steps.mean()), e.returns.mean()) for e in run.evaluations]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["reinforce", "cem"])
def test_steps_never_go_back_though_seeds_are_not_abreast(runs, tmp_path, method):
    settings = {**TINY, **SMALL[method]}
    settings = {k: v for k, v in settings.items() if k in SMALL[method] or k not in SMALL["ppo"]}
    train("CartPole-v1", method, out=tmp_path / "run", loggers=["wandb"], **settings)
    assert len(runs[0].rows) > 2
    assert not runs[0].dropped


@pytest.mark.slow
def test_a_resumed_run_tells_each_evaluation_once(runs, tmp_path):
    with pytest.raises(Interruption):
        train(
            "CartPole-v1",
            "ppo",
            out=tmp_path / "run",
            loggers=["wandb"],
            reporter=InterruptAfter(2),
            **TINY,
        )
    run = resume(tmp_path / "run")  # its loggers are part of it
    first, second = runs
    assert first.settings["id"] == second.settings["id"]
    assert (first.exit_code, second.exit_code) == (1, 0)
    told = [row["eval/mean_reward"] for r in runs for _, row in r.rows if "eval/mean_reward" in row]
    assert told == [e.returns.mean() for e in run.evaluations]
    assert all(r.finished for r in runs)


@pytest.mark.parametrize("name", LOGGERS)
def test_a_missing_extra_is_named_before_the_run_folder_is_made(tmp_path, monkeypatch, name):
    def absent(package, *rest):
        return None

    monkeypatch.setattr("importlib.util.find_spec", absent)
    for package in ("wandb", "tensorboardX", "mlflow"):
        monkeypatch.delitem(sys.modules, package, raising=False)
    with pytest.raises(UpslopeError, match=rf"upslope\[{name}\]"):
        train("CartPole-v1", "ppo", out=tmp_path / "run", loggers=[name], **TINY)
    assert not (tmp_path / "run").exists()


def test_an_unknown_logger_is_named_before_the_run_folder_is_made(tmp_path):
    with pytest.raises(UpslopeError, match="Did you mean 'tensorboard'"):
        train("CartPole-v1", "ppo", out=tmp_path / "run", loggers=["tensorbord"], **TINY)
    assert not (tmp_path / "run").exists()


def test_one_logger_needs_no_list():
    assert check_loggers("tensorboard") == ["tensorboard"]
    with pytest.raises(UpslopeError, match="must be names"):
        check_loggers(7)


@pytest.mark.slow
def test_project_name_and_group_reach_the_dashboard(runs, tmp_path):
    names = dict(log_project="mine", log_name="first", log_group="both")
    train("CartPole-v1", "ppo", out=tmp_path / "run", loggers="wandb", **names, **TINY)
    told = runs[0].settings
    assert (told["project"], told["name"], told["group"]) == ("mine", "first", "both")


@pytest.mark.parametrize("name", ["log_project", "log_name"])
def test_a_name_on_dashboards_is_a_text(name):
    with pytest.raises(UpslopeError, match=f"{name}=7"):
        resolve("CartPole-v1", "ppo", {name: 7})


def test_without_a_key_both_ways_out_are_named(runs, tmp_path):
    fake = sys.modules["wandb"]
    fake.setup = lambda: types.SimpleNamespace(settings=types.SimpleNamespace(mode="online"))
    fake.login = lambda prompt, verify: False
    with pytest.raises(UpslopeError, match=r"wandb login.*WANDB_MODE=offline"):
        train("CartPole-v1", "ppo", out=tmp_path / "run", loggers="wandb", **TINY)
    assert not (tmp_path / "run").exists()
    fake.login = lambda prompt, verify: True
    check_wandb()


class Failing:
    """A dashboard that fails at one of its calls."""

    id, where = "one", None

    def __init__(self, at):
        self.at = at

    def write(self, step, values):
        if self.at == "write":
            raise RuntimeError("no network\nand more")

    def close(self, outcome):
        if self.at == "close":
            raise RuntimeError("no network")


@pytest.mark.parametrize("at", ["open", "write", "close"])
def test_a_dashboard_that_fails_is_said_once_and_the_run_goes_on(runs, tmp_path, monkeypatch, at):
    def opened(dashboard):
        if at == "open":
            raise RuntimeError("no network")
        return Failing(at)

    monkeypatch.setitem(LOGGERS, "mlflow", LOGGERS["mlflow"]._replace(open=opened))
    notes = []
    sinks = Sinks(notes.append)
    for name in ("mlflow", "wandb"):
        sinks.open(name, Dashboard(tmp_path, "p", "n", None, {}))
    for step in (1, 2):
        sinks.write(step, {"a": 1.0})
    sinks.close("done")
    (note,) = notes
    assert "MLflow failed (no network)" in note
    assert sinks.failures == notes
    assert [step for step, _ in runs[0].rows] == [1, 2]
    assert runs[0].finished


@pytest.mark.slow
def test_the_summary_says_which_dashboard_failed(tmp_path, monkeypatch):
    failing = LOGGERS["tensorboard"]._replace(open=lambda dashboard: Failing("write"))
    monkeypatch.setitem(LOGGERS, "tensorboard", failing)
    run = train("CartPole-v1", "ppo", out=tmp_path / "run", loggers="tensorboard", **TINY)
    assert status(tmp_path / "run")["state"] == "done"
    assert [note for note in run.summary.notes if "TensorBoard failed" in note]


def test_dashboards_get_the_mean_over_seeds():
    assert finite({"a": [1.0, np.nan, 3.0], "b": np.inf, "c": 2}) == {"a": 2.0, "c": 2.0}


@pytest.mark.parametrize(
    ("open_", "module", "extra"),
    [
        (TensorBoardSink, "tensorboardX", "tensorboard"),
        (WandbSink, "wandb", "wandb"),
        (MlflowSink, "mlflow", "mlflow"),
    ],
)
def test_a_missing_extra_is_named(tmp_path, monkeypatch, open_, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UpslopeError, match=rf"pip install 'upslope\[{extra}\]'"):
        open_(Dashboard(tmp_path, "p", "n", None, {}))


def test_a_continued_run_hides_later_events_of_tensorboard(tmp_path):
    row = {"rollout/ep_rew_mean": [1.0, float("nan"), 3.0], train_key("loss"): 0.5}
    begun = Dashboard(tmp_path, "p", "n", None, {})
    for dashboard in (begun, begun._replace(id="tensorboard", step=10)):
        sink = TensorBoardSink(dashboard)
        sink.write(20, row)
        sink.close("done")
    files = sorted((tmp_path / "tensorboard").iterdir())
    events = [event for file in files for event in events_in(file)]
    told = [(v.tag, v.simple_value) for event in events for v in event.summary.value]
    assert told == [("rollout/ep_rew_mean", 2.0), ("train/loss", 0.5)] * 2
    assert [event.step for event in events if event.HasField("session_log")] == [11]


def events_in(path):
    """The events of a file: each is framed by its length and two checksums."""
    from tensorboardX.proto.event_pb2 import Event

    data, at = path.read_bytes(), 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 8], "little")
        yield Event.FromString(data[at + 12 : at + 12 + size])
        at += size + 16


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the package's own
def test_wandb_offline_for_real(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb", exc_type=ImportError)
    monkeypatch.setenv("WANDB_MODE", "offline")
    begun = Dashboard(tmp_path, "p", "n", "g", {"seeds": 2})
    sink = WandbSink(begun)
    assert wandb.run is None  # the process has no run of ours
    sink.write(5, {"rollout/ep_rew_mean": [1.0, 3.0]})
    sink.close("stopped")
    again = WandbSink(begun._replace(id=sink.id, step=5))
    again.write(7, {"rollout/ep_rew_mean": 2.0})
    again.close("done")
    files = sorted((tmp_path / "wandb").glob(f"offline-run-*/run-{sink.id}.wandb"))
    assert files
    assert all(b"rollout/ep_rew_mean" in file.read_bytes() for file in files)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the package's own
def test_mlflow_for_real(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", exc_type=ImportError)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    begun = Dashboard(tmp_path, "project", "name", "g", {"seeds": 2, "method_settings": {"x": 1}})
    sink = MlflowSink(begun)
    sink.write(5, {"rollout/ep_rew_mean": [1.0, 3.0], "train/loss": np.nan})
    sink.close("stopped")
    again = MlflowSink(begun._replace(id=sink.id, step=5))
    again.write(7, {"rollout/ep_rew_mean": 4.0})
    again.close("done")
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("project").experiment_id])
    assert (run.info.run_name, run.info.status) == ("name", "FINISHED")
    assert run.data.params == {"seeds": "2", "method_settings.x": "1"}
    assert run.data.tags["group"] == "g"
    curve = client.get_metric_history(run.info.run_id, "rollout/ep_rew_mean")
    assert [(point.step, point.value) for point in curve] == [(5, 2.0), (7, 4.0)]
    assert "train/loss" not in run.data.metrics
    assert mlflow.active_run() is None


def test_a_run_that_fails_ends_its_dashboards(runs, tmp_path):
    with pytest.raises(Interruption):
        train(
            "CartPole-v1",
            "ppo",
            out=tmp_path / "run",
            loggers=["wandb"],
            reporter=InterruptAfter(1),
            **TINY,
        )
    assert runs[0].finished
    assert status(tmp_path / "run")["state"] == "failed"
