"""``make bench``: how long a frame takes, beside the network that speed is told against.

Milliseconds say more of a machine than of a model. So the model alternates with MobileNetV2 1.0 at 224 px, full int8 on
the same runtime and one thread as well, and what is told is the ratio. Time is the processor's, not the clock's on the
wall: who is interrupted more often, being slower, must not look slower still.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import click
import numpy as np

from linecore.errors import ModelError
from linecore_models.bundle import Bundle, find_bundle, load_bundle
from linecore_models.interpreter import SIGNATURE, Runtime, Session, find_runtime
from linecore_models.manifest import VariantName
from linecore_models.marked_page import write_marked
from linecore_models.pace import alternating_ms
from linecore_models.quiet import load_tensorflow, native_stderr_held

if TYPE_CHECKING:
    import keras

REFERENCE = "MobileNetV2 1.0 at 224 px, int8"
REFERENCE_SIZE = 224
REPETITIONS = 5
ROUNDS = 60


@dataclass(frozen=True, slots=True)
class Pace:
    """Medians of a model and of the reference, and their ratio in each repetition."""

    ours_ms: float
    reference_ms: float
    ratios: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Of the model's time to the reference's: less than 1 is faster."""
        return median(self.ratios)


def compared(
    ours: Callable[[], object],
    reference: Callable[[], object],
    *,
    repetitions: int = REPETITIONS,
    rounds: int = ROUNDS,
    now: Callable[[], float] = time.thread_time,
) -> Pace:
    """Let the two alternate; *now* tells seconds."""
    medians: list[tuple[float, float]] = []
    for _ in range(repetitions):
        took = alternating_ms({"ours": ours, "reference": reference}, rounds, now=now)
        medians.append((median(took["ours"]), median(took["reference"])))
    return Pace(
        median(one for one, _ in medians),
        median(other for _, other in medians),
        tuple(one / other for one, other in medians),
    )


def reference_network() -> keras.Model:
    """Return MobileNetV2 1.0 for 224 px and 1,000 classes; what its weights are makes no odds to its speed."""
    load_tensorflow("`make bench`")
    import keras

    return keras.applications.MobileNetV2((REFERENCE_SIZE, REFERENCE_SIZE, 3), weights=None)


def as_int8(network: keras.Model) -> bytes:
    """Return a network from pictures to one output as a full int8 TFLite file, with the names of a bundle's."""
    import keras

    from linecore_models.conversion import plain_tflite

    shape = network.inputs[0].shape[1:]
    image = keras.Input(shape, name="image", dtype="float32")
    noise = np.random.default_rng(0).integers(0, 256, (4, *shape), np.uint8)
    return plain_tflite(keras.Model(image, {"scores": network(image)}), "int8", noise)


def model_run(bundle: Bundle, variant: VariantName, runtime: Runtime) -> Callable[[], object]:
    """Return what classifies one frame, from the preprocessed picture to all outputs."""
    file = bundle.verified(variant)
    with native_stderr_held():
        session = Session(runtime, file, file.read_bytes(), bundle.manifest)
    size = bundle.manifest.input_size
    return partial(session, np.random.default_rng(0).uniform(0, 255, (size, size, 1)).astype(np.float32))


def reference_run(content: bytes, runtime: Runtime) -> Callable[[], object]:
    """Return what runs the reference once, with its one output."""
    with native_stderr_held():
        interpreter = runtime.make(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
    run = interpreter.get_signature_runner(SIGNATURE)
    shape = run.get_input_details()["image"]["shape"]
    image = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)

    def once() -> object:
        # The interpreter reads its weights from the content, and holds no reference to it.
        return content and run(image=image)

    return once


def sentence(model: str, pace: Pace, runtime: str) -> str:
    """Return the figure with all that it depends on."""
    return (
        f"{model}: {pace.ours_ms:.2f} ms. {REFERENCE}: {pace.reference_ms:.2f} ms. Ratio **{pace.ratio:.3f}** "
        f"({min(pace.ratios):.3f} to {max(pace.ratios):.3f} in {len(pace.ratios)} repetitions), one thread, {runtime}, "
        f"{platform.machine()}."
    )


@click.command()
@click.option("--model", default="neu", show_default=True, help="A bundled model, or the folder of your own.")
@click.option("--variant", type=click.Choice(["int8", "float16", "float32"]), help="[default: int8 if it is served]")
@click.option("--page", type=click.Path(path_type=Path), help="Markdown page to write the figure into.")
def bench(model: str, variant: VariantName | None, page: Path | None) -> None:
    """Tell how long a frame takes, beside MobileNetV2 1.0 at 224 px in int8."""
    bundle, runtime = load_bundle(find_bundle(model, Path())), find_runtime()
    servable = bundle.servable()
    if not servable:
        raise ModelError(f"{bundle.folder} has no variant that was found fit to serve; export the model again")
    chosen: VariantName = variant or ("int8" if "int8" in servable else servable[0])
    pace = compared(model_run(bundle, chosen, runtime), reference_run(as_int8(reference_network()), runtime))
    name = f"`{bundle.manifest.name}` {bundle.manifest.version}, {chosen}"
    text = sentence(name, pace, f"{runtime.package} {version(runtime.package)}")
    click.echo(text)
    if page:
        write_marked(page, "make bench", text)


if __name__ == "__main__":
    bench()
