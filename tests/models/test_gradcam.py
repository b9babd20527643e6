from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from linecore.errors import ModelError
from linecore.inspection import FloatArray
from linecore_models.architecture import build_model
from linecore_models.gradcam import GradCam
from linecore_models.heatmap import heatmap
from linecore_models.preprocessing import Preprocessing, read_image
from tests.bundles import LABELS, SIZE, spot, tiny_model
from tests.conftest import ROOT, skip_or_fail


@pytest.fixture(scope="module")
def mobilenet() -> keras.Model:
    """A network of the shape that is trained: ImageNet's backbone, three of its depths fused, a new head."""
    found = sorted((ROOT / ".." / "shared" / "data" / "weights").glob("mobilenet_v2_1.0*.h5"))
    if not found:
        skip_or_fail("the ImageNet weights are not beside the data")
    model = build_model(6, 128, weights=str(found[0]))
    head = model.get_layer("evidence")  # by chance it may start so that no map is hot
    head.kernel.assign(np.random.default_rng(0).normal(0, 0.1, head.kernel.shape))
    return model


def images(neu: Path, each: int, size: int) -> list[FloatArray]:
    """Return the first *each* images of every class, as a model of *size* sees them."""
    return [
        Preprocessing(size)(read_image(path))[np.newaxis]
        for folder in sorted(neu.iterdir())
        if folder.is_dir()
        for path in sorted(folder.glob("*.jpg"))[:each]
    ]


def assert_equal_maps(model: keras.Model, cam: GradCam, batches: Sequence[FloatArray]) -> None:
    """The heat maps that need no gradient are Grad-CAM's, to 1e-4, for every label of every image; few are empty."""
    answer = tf.function(
        lambda batch: model(batch, training=False)
    )  # traced as in serving: eagerly, sums round otherwise
    hot = 0
    for batch in batches:
        class_maps = answer(tf.constant(batch))["class_maps"].numpy()[0]
        for label in range(cam.labels):
            short = heatmap(class_maps[..., label], (200, 200))
            long = heatmap(cam.class_map(batch, label), (200, 200))
            np.testing.assert_allclose(short, long, atol=1e-4)
            hot += bool(short.any())
    assert hot >= len(batches)


@pytest.mark.parametrize("layer", ["class_maps", "pooled", None])
def test_class_maps_are_grad_cam_on_real_images(neu: Path, layer: str | None) -> None:
    model = tiny_model()
    assert_equal_maps(model, GradCam(model, layer), images(neu, each=3, size=SIZE))


@pytest.mark.parametrize("layer", ["class_maps", None])
def test_class_maps_are_grad_cam_at_their_own_layer(neu: Path, mobilenet: keras.Model, layer: str | None) -> None:
    assert_equal_maps(mobilenet, GradCam(mobilenet, layer), images(neu, each=1, size=128))


def test_class_maps_are_gradient_times_feature_below_them(neu: Path, mobilenet: keras.Model) -> None:
    """HiResCAM (Draelos and Carin 2020), but for the bias of the evidence where there is some."""
    bias = mobilenet.get_layer("evidence").bias.numpy()
    below = keras.Model(
        mobilenet.input,
        [
            mobilenet.get_layer("around_relu").output,
            mobilenet.get_layer("logits").output,
            mobilenet.output["class_maps"],
        ],
    )
    for batch in images(neu, each=1, size=128):
        for label in range(6):
            with tf.GradientTape() as tape:
                features, logits, maps = below(batch, training=False)
                logit = logits[0, label]
            product = (tape.gradient(logit, features) * features).numpy()[0].sum(axis=-1)
            class_map = maps.numpy()[0, ..., label]
            expected = np.where(class_map > 0, class_map - bias[label], 0) / class_map.size
            np.testing.assert_allclose(product, expected, atol=1e-5)


def test_the_map_is_of_the_logit_and_not_of_the_probability() -> None:
    """One softmax, four ways to write it: what is sure of itself must be explained as well as what is not."""
    image = keras.Input((16, 16, 1))
    features = keras.layers.Conv2D(4, 3, activation="relu", name="features")(image)
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    linear = keras.layers.Dense(3, name="linear")
    sure = keras.layers.Dense(3, activation="softmax", name="sure")
    maker = keras.initializers.RandomNormal(seed=1, stddev=100)
    logits = linear(pooled)
    probabilities = [
        keras.layers.Softmax()(logits),
        keras.layers.Activation("softmax")(logits),
        keras.ops.softmax(logits),
        sure(pooled),
    ]
    weights = [np.asarray(maker((4, 3))), np.array([1.0, 2.0, 3.0])]
    linear.set_weights(weights)
    sure.set_weights(weights)
    batch = np.random.default_rng(0).uniform(0, 1, (1, 16, 16, 1)).astype(np.float32)
    expected = GradCam(keras.Model(image, logits), "features").class_map(batch, 1)
    assert expected.any()
    for output in probabilities:
        cam = GradCam(keras.Model(image, output), "features")
        np.testing.assert_allclose(cam.class_map(batch, 1), expected, rtol=1e-5)


def test_the_map_is_hot_where_the_defect_is() -> None:
    cam = GradCam(tiny_model(), "pooled")
    batch = Preprocessing(SIZE)(spot(0, at=(40, 160)))[np.newaxis]
    hot = heatmap(cam.class_map(batch, LABELS.index("patches")), (200, 200))
    y, x = np.unravel_index(hot.argmax(), hot.shape)
    assert abs(int(x) - 40) < 16
    assert abs(int(y) - 160) < 16


def test_a_sequential_model_can_be_looked_into() -> None:
    model = keras.Sequential(
        [keras.Input((16, 16, 3)), keras.layers.Conv2D(2, 3), keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    cam = GradCam(model)
    assert cam.input_shape == (16, 16, 3)
    assert cam.class_map(np.ones((1, 16, 16, 3), np.float32), 0).shape == (14, 14)


def test_what_cannot_be_looked_into_is_one_sentence() -> None:
    flat = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)], name="flat")
    with pytest.raises(ModelError, match="flat has no layer with a feature map"):
        GradCam(flat)
    with pytest.raises(
        ModelError, match="layer is 'featurs', but tiny has feature maps in rescaling.*, features, pooled, class_maps"
    ):
        GradCam(tiny_model(), "featurs")
    with pytest.raises(ModelError, match="is not functional"):
        GradCam(keras.Model())
