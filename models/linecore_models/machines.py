"""Which machines learn together: one, or those that TF_CONFIG lists.

Every machine holds the whole network, takes its share of each batch, and the gradients are summed over all of them by
tf.distribute.MultiWorkerMirroredStrategy, so that all take the same step. Keras 3 does not promise ``fit`` under that
strategy; a step of one's own needs nothing of it but the sum.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import tensorflow as tf

from linecore.errors import ConfigError

Compute = Callable[[], Sequence[tf.Tensor]]


@dataclass(frozen=True, slots=True)
class Machines:
    """Those that learn together, and which of them this one is."""

    count: int = 1
    index: int = 0
    strategy: tf.distribute.Strategy | None = None

    @property
    def chief(self) -> bool:
        """Whether this one writes the files."""
        return self.index == 0

    def sums(self, compute: Compute) -> Sequence[tf.Tensor]:
        """Return what *compute* returns on each machine, added up: tensors of the same shapes on all."""
        if self.strategy is None:
            return compute()

        def added() -> Sequence[tf.Tensor]:
            context = tf.distribute.get_replica_context()
            summed: Sequence[tf.Tensor] = context.all_reduce(tf.distribute.ReduceOp.SUM, list(compute()))
            return summed

        answer: Sequence[tf.Tensor] = self.strategy.run(added)
        return answer

    def mean(self, value: float) -> float:
        """Return the mean of what the machines say, the same number on each: what a decision of all may hang on."""
        if self.strategy is None:
            return value

        def said() -> list[tf.Tensor]:
            return [tf.constant(value, tf.float64)]

        (total,) = tf.function(lambda: self.sums(said), autograph=False)()
        return float(total) / self.count


def join_machines() -> Machines:
    """Wait for the machines that TF_CONFIG lists, and return them; this one alone where it is not set.

    TensorFlow wants this before its first operation. Each process takes one GPU at most.

    Raises:
        ConfigError: TF_CONFIG cannot be used.
    """
    if not os.environ.get("TF_CONFIG"):
        return Machines()
    try:
        cluster = tf.distribute.cluster_resolver.TFConfigClusterResolver()
        workers, task = cluster.cluster_spec().as_dict().get("worker", []), cluster.task_id
        if cluster.task_type != "worker" or task is None or not 0 <= task < len(workers):
            raise ValueError("its task is none of its workers")
        gpus = tf.config.list_physical_devices("GPU")
        tf.config.set_visible_devices(gpus[:1], "GPU")
        if len(workers) == 1:
            return Machines()
        return Machines(len(workers), task, tf.distribute.MultiWorkerMirroredStrategy(cluster))
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"TF_CONFIG is {os.environ['TF_CONFIG']!r}, which cannot be used ({error}); it must look like "
            '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
        ) from None


def device_sentence(machines: Machines) -> str:
    """Say what this machine learns on."""
    gpus = tf.config.list_logical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(tf.config.get_visible_devices("GPU")[0])
        device = f"a GPU, {details.get('device_name', 'of unknown make')}"
    else:
        device = f"the CPU, {os.cpu_count()} cores"
    among = f", machine {machines.index + 1} of {machines.count}" if machines.count > 1 else ""
    return f"learning on {device}{among}"
