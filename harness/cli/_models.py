"""Verbs about models and data: files that exist already, Keras, published data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli._app import DeviceOption, JsonOption, QuietOption, app, err, one_device, out, show_sentences
from harness.cli._console import ProgressView


@app.command(
    epilog="Example: edgeleak query records.npz --model original=a.tflite --model int8=b.pte --out answers.npz"
)
def query(
    records: Annotated[
        Path, typer.Argument(metavar="RECORDS.npz", help="Arrays inputs, labels and, where known, membership.")
    ],
    models: Annotated[
        list[str],
        typer.Option("--model", help="A file and how to call it; repeat for each variant.", metavar="NAME=FILE"),
    ],
    to: Annotated[Path, typer.Option("--out", help="The answers, for edgeleak attack.", metavar="ANSWERS.npz")],
    device: DeviceOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file of answers that is there already.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Ask models that exist already about records, on a device; `attack` comes next.

    A model is a file that ships: .tflite, .pte, .ptl or .onnx.
    """
    from harness import query as own_models

    with ProgressView(err, quiet=quiet) as view:
        result = own_models.query(records, models, out=to, device=one_device(device), overwrite=force, progress=view)
    show_sentences(result, own_models.sentences(result), [to], as_json=as_json)


@app.command(
    epilog="Example: edgeleak keras model.keras --out files --calibration records.npz --prune 0.8 --cluster 16"
)
def keras(
    model: Annotated[Path, typer.Argument(metavar="MODEL.keras", help="A model that Keras 3 saved.")],
    to: Annotated[Path, typer.Option("--out", help="Folder for the files.", metavar="DIR")],
    calibration: Annotated[
        Path | None, typer.Option(help="Records that ranges of activations are measured on.", metavar="RECORDS.npz")
    ] = None,
    modes: Annotated[
        str | None, typer.Option(help="Of the converter, with commas between; default all.", metavar="MODES")
    ] = None,
    prune: Annotated[
        list[float] | None, typer.Option(help="Also with this share of zeros; may be repeated.", metavar="SHARE")
    ] = None,
    cluster: Annotated[
        list[int] | None, typer.Option(help="Also with this many distinct values; may be repeated.", metavar="K")
    ] = None,
    sparse: Annotated[bool, typer.Option("--sparse", help="Also store pruned models in the sparse format.")] = False,
    finetune: Annotated[
        Path | None, typer.Option(help="Records to train pruned and clustered models on.", metavar="RECORDS.npz")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Of that training.", metavar="N")] = 3,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Convert a Keras model with TensorFlow's converter in its six modes; `query` and `attack` come next."""
    from harness.export.keras import convert, sentences  # its packages are needed by nothing else here

    with ProgressView(err, quiet=quiet) as view:
        result = convert(
            model, to, modes=modes.split(",") if modes else None, calibration=calibration, prune=prune or (),
            cluster=cluster or (), sparse=sparse, finetune=finetune, epochs=epochs, progress=view,
        )  # fmt: skip
    files = [to / f"{row['name']}.tflite" for row in result["files"]]
    show_sentences(result, sentences(result), files, as_json=as_json)


@app.command(epilog="Example: edgeleak fetch cifar10 --data-dir data/cifar10 --yes")
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The data set, e.g. cifar10.")],
    data_dir: Annotated[Path, typer.Option("--data-dir", help="Folder for its files.", metavar="DIR")],
    yes: Annotated[bool, typer.Option("--yes", help="Agree to the licence and the size.")] = False,
) -> None:
    """Download a data set from where it is published, checked against its known SHA-256."""
    from harness.data import datasets

    out.print(datasets.describe(name), markup=False, soft_wrap=True)
    files = datasets.fetch(name, data_dir, agreed=yes)
    out.print(f"{len(files)} files in {data_dir}", markup=False, soft_wrap=True)
