from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from linecore_models.loss import ABSENT, EVIDENCE, cell_loss, label_loss, overlap_loss


def softplus(value: float) -> float:
    return float(np.log1p(np.exp(value)))


def tensor(values: object) -> tf.Tensor:
    return tf.constant(np.asarray(values, np.float32))


def test_the_label_s_loss_is_the_cross_entropy() -> None:
    logits, truth = tensor([[2.0, 0.0], [0.0, 0.0]]), tensor([[1, 0], [0, 1]])
    expected = [softplus(-2.0), np.log(2)]
    assert label_loss(logits, truth, 0.0).numpy() == pytest.approx(expected, rel=1e-5)


def test_smoothing_asks_for_a_little_of_the_other_labels() -> None:
    logits, truth = tensor([[2.0, 0.0]]), tensor([[1, 0]])
    expected = 0.9 * softplus(-2.0) + 0.1 * softplus(2.0)
    assert label_loss(logits, truth, 0.2).numpy() == pytest.approx([expected], rel=1e-5)


def test_cells_count_by_their_share_and_labels_that_are_absent_count_less() -> None:
    """One picture of 1 x 2 cells, two labels: the first lies in the left cell and in a fourth of the right one."""
    maps = EVIDENCE * np.array([[[[1.0, -2.0], [0.5, -3.0]]]])
    masks = np.array([[[[1.0, 0.0], [0.25, 0.0]]]])
    present = (softplus(-1.0) + 0.25 * softplus(-0.5) + 0.75 * softplus(0.5)) / 2
    absent = (softplus(-2.0) + softplus(-3.0)) / 2
    found = cell_loss(tensor(maps), tensor(masks), tensor([[1, 0]]), tensor([[1, 1]]))
    assert found.numpy() == pytest.approx([present + ABSENT * absent], rel=1e-5)


def test_a_label_that_may_be_there_counts_between_one_that_is_and_one_that_is_not() -> None:
    maps = EVIDENCE * np.array([[[[1.0, 1.0]]]])
    cells = np.array([[[[1.0, 1.0]]]])
    found = cell_loss(tensor(maps), tensor(cells), tensor([[1, 0.5]]), tensor([[1, 1]]))
    assert found.numpy() == pytest.approx([(1 + 0.5 + 0.5 * ABSENT) * softplus(-1.0)], rel=1e-5)


def test_what_nobody_told_does_not_count() -> None:
    maps, masks = tensor(np.full((2, 2, 2, 2), 9.0)), tensor(np.zeros((2, 2, 2, 2)))
    assert cell_loss(maps, masks, tensor([[1, 0], [1, 0]]), tensor([[0, 0], [0, 0]])).numpy().tolist() == [0, 0]
    assert overlap_loss(maps, masks, tensor([[0, 0], [0, 0]])).numpy().tolist() == [0, 0]


def test_overlap_is_dice_of_the_labels_that_are_there() -> None:
    """Both cells burn by half, one is in the box: 1 - (2 x 0.5 + 1) / (1 + 1 + 1)."""
    maps = np.zeros((1, 1, 2, 2))
    masks = np.array([[[[1.0, 0.0], [0.0, 0.0]]]])
    assert overlap_loss(tensor(maps), tensor(masks), tensor([[1, 1]])).numpy() == pytest.approx([1 - 2 / 3], rel=1e-5)


def test_a_map_that_is_its_box_overlaps_with_it() -> None:
    masks = np.zeros((1, 4, 4, 1))
    masks[0, :2] = 1
    maps = np.where(masks > 0, 100.0, -100.0)
    assert overlap_loss(tensor(maps), tensor(masks), tensor([[1]])).numpy() == pytest.approx([0], abs=1e-3)
