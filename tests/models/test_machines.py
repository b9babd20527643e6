from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from linecore.errors import ConfigError
from linecore_models.machines import Machines, device_sentence, join_machines
from linecore_models.run_folder import RunFolder
from linecore_models.training import Surroundings, train
from tests.models.test_training import RECIPE, Notes, drawn_validation, network, teaching_in, write_dots

ROOT = Path(__file__).parents[2]


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def test_two_machines_learn_the_same_and_what_one_would(tmp_path: Path) -> None:
    (dots := tmp_path / "dots").mkdir()
    write_dots(dots)
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    outs = [tmp_path / f"machine{index}" for index in range(2)]
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.models.learning_machine", str(dots), str(out)],
            cwd=ROOT,
            env=os.environ
            | {"TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for index, out in enumerate(outs)
    ]
    try:
        told = [one.communicate(timeout=180)[0] for one in started]
    finally:
        for one in started:
            one.kill()
    assert [one.returncode for one in started] == [0, 0], told
    for name in ("plain", "batch_norm"):
        chief, other = (list(np.load(out / f"{name}.npz").values()) for out in outs)
        assert all(np.array_equal(one, same) for one, same in zip(chief, other, strict=True))
    plain = list(np.load(outs[0] / "plain.npz").values())
    (alone := tmp_path / "alone").mkdir()
    around = Surroundings(RunFolder(alone), Notes(), lambda: 0.0)
    kept = around.run.begin({}, resume=False)
    taught = train(network(dropout=0.0), teaching_in(dots), drawn_validation(), RECIPE, around, kept).model
    assert all(np.allclose(one, same, atol=1e-4) for one, same in zip(plain, taught.get_weights(), strict=True))
    assert len(list((outs[0] / "plain").iterdir())) == len(list(alone.iterdir())) == 4
    assert list((outs[1] / "plain").iterdir()) == []


def test_one_machine_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    machines = join_machines()
    assert (machines.count, machines.index, machines.chief) == (1, 0, True)
    assert machines.mean(3.5) == 3.5
    assert device_sentence(machines).startswith("learning on ")


def test_each_of_several_is_told_which_it_is() -> None:
    assert device_sentence(Machines(3, 1)).endswith(", machine 2 of 3")
    assert not Machines(3, 1).chief


@pytest.mark.parametrize("written", ["{", '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}'])
def test_a_wrong_list_of_machines_is_told(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("TF_CONFIG", written)
    with pytest.raises(ConfigError, match="TF_CONFIG is .* which cannot be used .*; it must look like"):
        join_machines()
