"""Prunes or clusters a Keras 3 model with TensorFlow's Model Optimization toolkit, and saves it as Keras 3 again.

The toolkit works on a copy of Keras 2 layers; the copy's weights have the same shapes and go back into the model.

The request is ``{"model": path, "training": path of .npz or null, "epochs": E, "jobs": [{"name", "path", "prune": share
or "cluster": number}, ...]}``; the answers are ``{"done": name}`` or ``{"skipped": name, "reason"}`` for each job, or
``{"error"}``.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from .answering import Say, answer, load, one_line
from .convert import arranged
from .rebuild import rebuilt

# The toolkit chooses its Keras by this variable.
os.environ["TF_USE_LEGACY_KERAS"] = "1"

SEED = 0
BATCH = 32
LEARNING_RATE = 1e-3
# Rows of a softmax sum to one within this.
SUM_TOLERANCE = 1e-3

Training = tuple[list[Any], Any]


def pruned(copy: Any, share: float, training: Training | None, epochs: int) -> Any:
    """Set the smallest numbers of each kernel to zero, and fine-tune the others where there are records.

    The toolkit masks by magnitude: M. Zhu and S. Gupta, "To prune, or not to prune", 2017.
    """
    import tensorflow_model_optimization as tfmot
    import tf_keras

    sparsity = tfmot.sparsity.keras
    schedule = sparsity.ConstantSparsity(share, begin_step=0, frequency=1)
    # Layers without a kernel are not wrapped: the toolkit refuses some of them, and there is nothing to prune.
    wrapped = tf_keras.models.clone_model(
        copy,
        clone_function=lambda layer: (
            sparsity.prune_low_magnitude(layer, pruning_schedule=schedule)
            if any(len(weight.shape) > 1 for weight in layer.trainable_weights)
            else layer
        ),
    )
    if training is not None:
        _train(wrapped, training, epochs, [sparsity.UpdatePruningStep()])
        return sparsity.strip_pruning(wrapped)
    for layer in wrapped.layers:
        if hasattr(layer, "pruning_obj"):
            layer.pruning_step.assign(0)
            layer.pruning_obj.conditional_mask_update()
            layer.pruning_obj.weight_mask_op()
    return sparsity.strip_pruning(wrapped)


def clustered(copy: Any, clusters: int, training: Training | None, epochs: int) -> Any:
    """Move the numbers of each kernel to a few centroids, and fine-tune where there are records."""
    import tensorflow_model_optimization as tfmot

    clustering = tfmot.clustering.keras
    start = clustering.CentroidInitialization.KMEANS_PLUS_PLUS
    wrapped = clustering.cluster_weights(copy, number_of_clusters=clusters, cluster_centroids_init=start)
    if training is not None:
        _train(wrapped, training, epochs, [])
    return clustering.strip_clustering(wrapped)


def _train(model: Any, training: Training, epochs: int, callbacks: list[Any]) -> None:
    import tf_keras

    inputs, labels = training
    # Whether the model ends in a softmax, by its answers.
    answers = model.predict([values[:BATCH] for values in inputs], verbose=0)
    logits = answers.min() < 0 or np.abs(answers.sum(axis=1) - 1).max() > SUM_TOLERANCE
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=bool(logits))
    model.compile(tf_keras.optimizers.Adam(LEARNING_RATE), loss)
    model.fit(inputs, labels, batch_size=BATCH, epochs=epochs, callbacks=callbacks, verbose=0)


def _work(request: dict[str, Any], say: Say) -> None:
    import tf_keras

    try:
        model, training = load(request["model"]), None
        if request["training"] is not None:
            with np.load(request["training"], allow_pickle=False) as archive:
                records = dict(archive)
            labels = records.pop("labels")
            training = (arranged(model, records), labels)
    except ValueError as error:
        return say(error=str(error))
    for job in request["jobs"]:
        tf_keras.utils.set_random_seed(SEED)
        # Loaded for each job, because the toolkit's wrappers change the layers.
        model = load(request["model"])
        try:
            copy, pairs = rebuilt(model)
            if "prune" in job:
                compressed = pruned(copy, job["prune"], training, request["epochs"])
            else:
                compressed = clustered(copy, job["cluster"], training, request["epochs"])
        except Exception as error:  # the toolkit and its Keras may raise any exception
            say(skipped=job["name"], reason=f"the toolkit refused the model: {one_line(error)}")
            continue
        for layer, twin in pairs:
            layer.set_weights(compressed.get_layer(twin.name).get_weights())
        model.save(job["path"])
        say(done=job["name"])
    return None


if __name__ == "__main__":
    answer(_work)
