"""What a Keras user has: a small network, trained on digits. Runs where TensorFlow is, on records, and saves files."""

import sys

import keras
import numpy as np

records = np.load(sys.argv[1])
members = records["membership"] == 1
keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Flatten(),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(records["inputs"][members], records["labels"][members], batch_size=16, epochs=40, verbose=0)
model.save(sys.argv[2])
if len(sys.argv) > 3:  # the same with code inside
    inputs = keras.Input((8, 8, 1))
    doubled = keras.layers.Lambda(lambda x: x * 2)(inputs)
    keras.Model(inputs, model(doubled)).save(sys.argv[3])
