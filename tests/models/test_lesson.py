from __future__ import annotations

import numpy as np
import tensorflow as tf

from linecore_models.lesson import as_told, lesson_of


def test_a_lesson_is_what_is_known_of_a_batch() -> None:
    """Two pictures, one of them called by its first label with a box of the second on it, the other without a box."""
    masks = np.zeros((2, 2, 2, 3), np.float32)
    masks[0, 0, 1, 1] = 0.25
    batch = [tf.zeros((2, 16, 16, 1)), tf.constant([[1.0, 0, 0], [0, 0, 1]]), masks, tf.constant([1.0, 0]), tf.ones(2)]
    lesson = lesson_of(batch)
    assert lesson.there.numpy().tolist() == [[1, 1, 0], [0, 0, 1]]
    assert lesson.told.numpy().tolist() == lesson.boxed.numpy().tolist() == [1, 0]
    assert np.array_equal(lesson.cells, masks)
    assert np.array_equal(lesson.boxes, masks)
    assert as_told(lesson) is lesson
