"""Epochs that other processes train are counted while they are trained."""

from __future__ import annotations

from multiprocessing import get_context
from pathlib import Path
from threading import Event

from harness.audit.epochs import counting, watched


def trained(file: Path, weights: Path, epochs: int) -> None:
    progress = counting(file)
    for epoch in range(1, epochs + 1):
        progress(epoch, epochs, 0.5)
    weights.touch()


def test_epochs_of_another_process_are_reported_while_it_works(tmp_path: Path) -> None:
    file, weights = tmp_path / "epochs", tmp_path / "weights"
    seen: list[tuple[int, int]] = []
    all_seen = Event()

    def report(done: int, total: int) -> None:
        seen.append((done, total))
        if done == total:
            all_seen.set()

    with watched({weights: file}, 3, report):
        process = get_context("spawn").Process(target=trained, args=(file, weights, 3))
        process.start()
        process.join(60)
        assert all_seen.wait(30), "the thread looks while the block runs"
    assert seen[0] == (0, 3)
    assert seen[-1] == (3, 3)


def test_a_model_that_is_there_counts_whole_and_what_was_interrupted_counts_anew(tmp_path: Path) -> None:
    done, begun = tmp_path / "done", tmp_path / "begun"
    (tmp_path / "done.safetensors").touch()
    counting(begun)(1, 5, 0.1)
    counting(begun)(1, 5, 0.1)
    seen: list[tuple[int, int]] = []
    files = {tmp_path / "done.safetensors": done, tmp_path / "begun.safetensors": begun}
    with watched(files, 5, lambda *counts: seen.append(counts)):
        pass
    assert seen == [(6, 10)]


def test_nothing_is_reported_twice(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    with watched({tmp_path / "weights": tmp_path / "epochs"}, 4, lambda *counts: seen.append(counts)):
        pass
    assert seen == [(0, 4)]
