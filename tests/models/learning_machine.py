"""One of several machines that learn together: run as a program by test_machines, with TF_CONFIG set."""

from __future__ import annotations

import sys
from pathlib import Path

from linecore_models.quiet import load_tensorflow


def main(pictures: Path, out: Path) -> None:
    """Train the networks of test_training on *pictures*, without and with batch norm; keep what they know in *out*."""
    from linecore_models import machines

    joined: list[machines.Machines] = []
    load_tensorflow("this test", first=lambda: joined.append(machines.join_machines()))

    import numpy as np

    from linecore_models.run_folder import RunFolder
    from linecore_models.training import Surroundings, train
    from tests.models import test_training as tiny

    for name, batch_norm in (("plain", False), ("batch_norm", True)):
        run = RunFolder(out / name, writes=joined[0].chief)
        run.folder.mkdir(parents=True)
        around = Surroundings(run, tiny.Notes(), lambda: 0.0, joined[0])
        network = tiny.network(dropout=0.0, batch_norm=batch_norm)
        taught = train(
            network,
            tiny.teaching_in(pictures),
            tiny.drawn_validation(),
            tiny.RECIPE,
            around,
            around.run.begin({}, resume=False),
        )
        np.savez(out / f"{name}.npz", *taught.model.get_weights())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
