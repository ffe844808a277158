"""Films of a run's policies: the episodes of its evaluation, drawn."""

from __future__ import annotations

import contextlib
import io
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from upslope.core.annotations import EnvironmentState, Observation
from upslope.core.checks import UpslopeError, check_number, check_path
from upslope.core.own_frame import raised
from upslope.core.said_once import close_quietly
from upslope.drawing import ObservationPlot, film_formats, scene_of, write_film
from upslope.drawing.film_file import require
from upslope.drawing.panels import fit
from upslope.drawing.scenes import STEPS_PER_SECOND
from upslope.engine.evaluator import Evaluator
from upslope.engine.host_evaluator import HostEvaluator
from upslope.engine.jax_evaluator import JaxEvaluator
from upslope.environments.adaptors.gymnasium import GymnasiumSpec
from upslope.environments.environment import Environment
from upslope.sampling.engines import engine_of
from upslope.sampling.episode_returns import Recording
from upslope.sampling.simulators import filmed
from upslope.sampling.simulators.filmed import FilmedSimulators, Take, picture_of
from upslope.training.evaluate_run import BLOCK, HELD_OUT, Prepared, evaluation_of, prepare
from upslope.training.film import SIZE, Clip, Film, Reel
from upslope.training.programs import make_evaluator
from upslope.training.run import Run

if TYPE_CHECKING:
    from PIL import Image

    from upslope.engine.progress import Evaluation
    from upslope.environments.factory import EnvironmentLike

# Frames per second of a film whose `fps` is not given, and how many they are, at most.
FASTEST, MOST_FRAMES = 25.0, 600


class Shown(NamedTuple):
    """Which episodes are filmed, and how."""

    seeds: tuple[int, ...]
    headings: tuple[str, ...]
    episodes: int
    deterministic: bool
    steps: int  # as far as they are filmed


class Pace(NamedTuple):
    """How fast a film is: frames per second as they were asked for, else at most so many."""

    fps: float | None
    fastest: float = FASTEST


class Played(NamedTuple):
    """Episodes with their pictures."""

    evaluation: Evaluation
    clips: list[list[Clip]]  # of each episode, those of the seeds that are shown
    fps: float
    notes: tuple[str, ...]


def record(
    run: Run | str | Path,
    out: str | Path | None = None,
    *,
    episodes: int = 1,
    deterministic: bool | None = None,
    seed: int = 0,
    fps: float | None = None,
    max_steps: int = 1000,
    environment: EnvironmentLike | None = None,
) -> Film:
    """Films episodes of a run's policies, as GIF and MP4.

        upslope.record("runs/CartPole-v1/ppo", episodes=2)

    The episodes and their returns are those of `evaluate` with the same `episodes`, `seed`,
    `deterministic` and `environment`. Of several seeds the best, the median and the worst in the
    run's last evaluation are shown side by side. Upslope's own environments are drawn from their
    states and simulators draw themselves (`render_mode="rgb_array"`); of any other the observation
    is plotted over time, and `notes` says why.

    Args:
      run: a run with a folder, or the folder.
      out: the file, ending in `.gif` or `.mp4`, or without an ending for both; None: `film.gif` in
        the run's folder, and `film.mp4` where imageio-ffmpeg is installed.
      episodes: how many, one after the other, at most 20.
      deterministic: act by the mode of the policy instead of a draw; None: as the run's own
        evaluations did.
      seed: of the episodes.
      fps: frames per second. Steps are left out to keep the environment's own pace; with more
        frames than it has steps per second the film is faster than that. None: at most 25, and
        600 frames an episode.
      max_steps: as far as an episode is filmed; it is played to its end, and its return counts
        all of it.
      environment: see `evaluate`.

    Raises:
      UpslopeError: a number out of range, a run without a folder, another engine than `jax` and
        `gymnasium`, or a package is missing.
      StorageError: there is no policy in the folder, or a film cannot be written.
    """
    path = folder_of(run)
    shot = shoot(
        path,
        episodes=episodes,
        deterministic=deterministic,
        seed=seed,
        fps=fps,
        max_steps=max_steps,
        environment=environment,
        files=files_of(path, out),
    )
    reel, played = shot.reel, shot.played
    written = tuple(write_film(file, reel, reel.fps) for file in shot.files)
    seconds = len(reel) / reel.fps
    return Film(
        written, played.evaluation, shot.shown.seeds, shot.shown.headings, seconds, played.notes
    )


class Shot(NamedTuple):
    """A film before it is written."""

    reel: Reel
    played: Played
    shown: Shown
    files: list[Path]


def shoot(
    path: Path,
    *,
    episodes: int = 1,
    deterministic: bool | None = None,
    seed: int = 0,
    fps: float | None = None,
    max_steps: int = 1000,
    environment: EnvironmentLike | None = None,
    fastest: float = FASTEST,
    files: list[Path],
) -> Shot:
    """Plays what a film shows; the arguments are those of `record`, checked before any work.

    Args:
      fastest: frames per second, at most, where `fps` is None.
      files: where the film is to be written.
    """
    check_number("record", "episodes", episodes, at_least=1, at_most=BLOCK, integer=True)
    check_number("record", "max_steps", max_steps, at_least=1, integer=True)
    if fps is not None:
        check_number("record", "fps", fps, at_least=1, at_most=100)
    prepared = prepare("record", path, environment, seed)
    seeds, headings = ranked(prepared)
    if deterministic is None:
        deterministic = prepared.config.deterministic_evaluation
    shown = Shown(seeds, headings, episodes, deterministic, max_steps)
    evaluator = make_evaluator(prepared.config, prepared.built)
    try:
        played = play(prepared, evaluator, shown, Pace(fps, fastest))
    finally:
        evaluator.close()
    kind = "deterministic actions" if deterministic else "sampled actions"
    title = f"{prepared.config.method} on {prepared.config.environment_title}, {kind}"
    return Shot(Reel(title, played.clips, played.fps), played, shown, files)


def folder_of(run: Run | str | Path) -> Path:
    """The folder of a run.

    Raises:
      UpslopeError: it wrote none.
    """
    if not isinstance(run, Run):
        path = check_path("record", "run", run)
        inner = path.name == "policy" and (path.parent / "status.json").is_file()
        return path.parent if inner else path
    if run.folder is None:
        raise UpslopeError("This run wrote no folder to film from: give train a folder (out=).")
    return Path(run.folder)


def files_of(folder: Path, out: str | Path | None) -> list[Path]:
    """The films to write.

    Raises:
      UpslopeError: an ending that is none of films, or a package is missing.
    """
    if out is None:
        require(".gif")
        return [folder / f"film{ending}" for ending in film_formats()]
    path = check_path("record", "out", out)
    files = [path] if path.suffix else [path.with_suffix(ending) for ending in (".gif", ".mp4")]
    for file in files:
        require(file.suffix.lower())
    return files


def ranked(prepared: Prepared) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The best, the median and the worst seed of the run's last evaluation, with their names."""
    seeds = prepared.config.seeds
    found = prepared.loaded.metadata.get("extra", {}).get("final_returns") or []
    if seeds == 1:
        return (0,), ("seed 0",)
    if len(found) != seeds:  # of an earlier version: nothing says which are which
        kept = tuple(range(min(seeds, 3)))
        return kept, tuple(f"seed {number}" for number in kept)
    order = np.argsort(-np.asarray(found, float), kind="stable").tolist()
    places = {"best": order[0], "median": order[(seeds - 1) // 2], "worst": order[-1]}
    if seeds == 2:
        del places["median"]
    return tuple(places.values()), tuple(f"{k}: seed {v}" for k, v in places.items())


def play(
    prepared: Prepared,
    evaluator: Evaluator,
    shown: Shown,
    speed: Pace,
) -> Played:
    """Plays the episodes and keeps what is needed to draw them.

    Raises:
      UpslopeError: the environment is sampled by another engine.
    """
    if isinstance(evaluator, JaxEvaluator):
        return play_compiled(prepared, evaluator, shown, speed)
    environment = prepared.built.evaluation_environment
    engine = engine_of(environment, prepared.config.engine)
    if (
        engine == "gymnasium"
        and isinstance(evaluator, HostEvaluator)
        and isinstance(environment, GymnasiumSpec)
    ):
        return play_simulators(prepared, evaluator, environment, shown, speed)
    raise UpslopeError(
        f"record films environments of the engines 'jax' and 'gymnasium'; {engine!r} shows no "
        "pictures. Choose an environment with the same spaces (environment=...)."
    )


def play_compiled(prepared: Prepared, evaluator: JaxEvaluator, shown: Shown, speed: Pace) -> Played:
    """Episodes of a JAX environment, drawn from its states or plotted from its observations."""
    environment: Environment = evaluator.environment
    scene = scene_of(environment)
    limit = min(shown.steps, evaluator.limit)
    recording = Recording(shown.seeds, limit, scene is not None)
    returns, moments = evaluator.record(
        prepared.loaded.policy, shown.episodes, HELD_OUT, shown.deterministic, recording
    )
    evaluation = evaluation_of(prepared.loaded, returns)
    lengths = evaluation.lengths[list(shown.seeds)]
    pace = scene.steps_per_second if scene else STEPS_PER_SECOND
    every, rate = pace_of(pace, speed, int(min(lengths.max(), limit)))
    clips: list[list[Clip]] = []
    for episode in range(shown.episodes):
        row = []
        for place, seed in enumerate(shown.seeds):
            last = int(min(lengths[place, episode], limit))
            times = moments_of(last, every)
            mine = jax.tree.map(lambda leaf, p=place, e=episode: leaf[:, p, e], moments)
            if scene is not None:
                picture = drawn(scene.draw, mine.state, times)
            else:
                picture = plotted([numbers(mine.observation, time) for time in times])
            total = float(evaluation.returns[seed, episode])
            sums = mine.returns[times].tolist()
            steps = int(lengths[place, episode])
            row.append(Clip(shown.headings[place], times, sums, total, steps, picture))
        clips.append(row)
    name = prepared.config.environment
    notes = () if scene else (f"{name} cannot be drawn: {PLOTTED}.",)
    return Played(evaluation, clips, rate, notes)


def play_simulators(
    prepared: Prepared,
    evaluator: HostEvaluator,
    environment: GymnasiumSpec,
    shown: Shown,
    speed: Pace,
) -> Played:
    """Episodes of simulators, which draw themselves where they can."""
    recipe, pace, failure = probe(environment)
    limit = min(shown.steps, evaluator.limit)
    every, rate = pace_of(pace, speed, limit)
    keep = None if failure else stored
    simulators = FilmedSimulators(recipe, {}, keep, every, limit)
    recording = Recording(shown.seeds, limit, state=False)
    with quiet_pictures():
        returns, takes = evaluator.record(
            prepared.loaded.policy,
            shown.episodes,
            HELD_OUT,
            shown.deterministic,
            recording,
            simulators,
        )
    evaluation = evaluation_of(prepared.loaded, returns)

    def clip(place: int, seed: int, episode: int, take: Take) -> Clip:
        if failure:
            picture = plotted([numbers(seen, None) for seen in take.observations])
        else:
            picture = developed(take.frames)
        total, steps = evaluation.returns[seed, episode], evaluation.lengths[seed, episode]
        heading = shown.headings[place]
        return Clip(heading, take.times, take.returns, float(total), int(steps), picture)

    clips = [
        [
            clip(place, seed, episode, takes[place][episode])
            for place, seed in enumerate(shown.seeds)
        ]
        for episode in range(shown.episodes)
    ]
    notes = (f"{environment.id} could not draw itself ({failure}): {PLOTTED}.",) if failure else ()
    return Played(evaluation, clips, rate, notes)


# Files that are on the way when a simulator draws, and not where its mistake is.
OURS = (__file__, filmed.__file__)
PLOTTED = "its observation is plotted over time instead"


def probe(environment: GymnasiumSpec) -> tuple[GymnasiumSpec, float, str]:
    """A recipe whose simulators draw themselves, its steps per second, and why it does not."""
    recipe = environment.rendering()
    try:
        with quiet_pictures():
            env = recipe.build()
            try:
                env.reset(seed=0)
                picture_of(env)
                pace = float(env.metadata.get("render_fps") or STEPS_PER_SECOND)
            finally:
                close_quietly(env, environment.id)
    except (Exception, SystemExit) as error:  # whatever a simulator's drawing needs
        return environment, STEPS_PER_SECOND, reason_of(error)
    return recipe, pace, ""


def reason_of(error: BaseException) -> str:
    """Why a simulator has no pictures, in a line; a display that is missing with its remedy."""
    text = " ".join(raised(error, without=OURS).split())
    if any(word in text.lower() for word in ("opengl", "egl", "glfw", "display", "gladload")):
        text += "; where there is no display, MUJOCO_GL=egl or MUJOCO_GL=osmesa may help"
    return text


@contextlib.contextmanager
def quiet_pictures() -> Iterator[None]:
    """Without what Gymnasium and its simulators say while they render."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def pace_of(pace: float, speed: Pace, steps: int) -> tuple[int, float]:
    """Steps from one frame to the next, and frames per second.

    Args:
      pace: the environment's own steps per second.
      speed: of the film.
      steps: of the longest episode.
    """
    if speed.fps is not None:
        return max(1, round(pace / speed.fps)), float(speed.fps)
    every = max(math.ceil(pace / speed.fastest), math.ceil(steps / MOST_FRAMES), 1)
    return every, pace / every


def moments_of(last: int, every: int) -> list[int]:
    """The steps that are shown of an episode: every so many, and the last."""
    times = list(range(0, last + 1, every))
    return times if times[-1] == last else [*times, last]


def drawn(
    draw: Callable[..., Any], states: EnvironmentState, times: Sequence[int]
) -> Callable[[int], Image.Image]:
    """Draws the states of an episode."""
    return lambda k: draw(jax.tree.map(lambda leaf: leaf[times[k]], states), SIZE).image()


def plotted(observations: list[np.ndarray]) -> Callable[[int], Image.Image]:
    """Plots the observations of an episode up to a moment."""
    return ObservationPlot(np.stack(observations), SIZE).picture


def developed(frames: list[bytes]) -> Callable[[int], Image.Image]:
    """Reads what `stored` has kept."""
    from PIL import Image

    return lambda k: Image.open(io.BytesIO(frames[k])).convert("RGB")


def stored(picture: np.ndarray) -> bytes:
    """A simulator's picture in the size of the film, as PNG: a film of them fits into memory."""
    from PIL import Image

    kept = io.BytesIO()
    fit(Image.fromarray(picture), SIZE).save(kept, "PNG", compress_level=1)
    return kept.getvalue()


def numbers(observation: Observation, time: int | None) -> np.ndarray:
    """An observation as one row of numbers: of a moment, where it is of a whole episode."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(observation)]
    leaves = [leaf if time is None else leaf[time] for leaf in leaves]
    plain = [leaf.ravel() for leaf in leaves if leaf.dtype.kind in "biuf"]
    return np.concatenate(plain).astype(float) if plain else np.zeros(1)
