"""What an audit will measure, known before it starts: a rule about anything else can never be answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from harness.types import Adversary, View

__all__ = ["ORIGINAL", "Answerable"]

# The uncompressed model's name among the variants.
ORIGINAL = "original"


@dataclass(frozen=True, kw_only=True)
class Answerable:
    """What an audit will measure, as far as its configuration says.

    Args:
        variants: all variants of the audited model, controls included.
        controls: those of them that are attacked and not judged, because they do not ship.
        attacks: each attack that will run, and its adversary.
        counterparts: each attack, and the one on the original that it is compared with; itself where not named.
        fprs: false-positive rates at which true-positive rates are measured.
        has_reference: whether the answers will be compared with those of a reference.
        devices: names of the devices that a rule may name; empty where results name none.
        runtimes: the runtimes that a rule may name; empty where results name none.
        parts: column -> its values, of the parts of the records that leakage is measured of: ``class``, and the
            columns of groups; None where they are not known.
        quantizers: those that the MIS indicator is estimated of.
    """

    variants: tuple[str, ...]
    controls: tuple[str, ...]
    attacks: Mapping[str, Adversary]
    fprs: tuple[float, ...]
    has_reference: bool
    counterparts: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ()
    parts: Mapping[str, tuple[str, ...]] | None = None
    quantizers: tuple[str, ...] = ()

    @property
    def compressed(self) -> tuple[str, ...]:
        """The variants that ship beside the original."""
        return tuple(variant for variant in self.variants if variant not in (ORIGINAL, *self.controls))

    @property
    def judged(self) -> tuple[str, ...]:
        """The variants that a rule may be about."""
        return tuple(variant for variant in self.variants if variant not in self.controls)

    def views(self) -> Iterator[View]:
        """The views of which there will be results that a rule may judge, the same on every runtime."""
        for attack, adversary in self.attacks.items():
            for variants in self._seen_by(adversary):
                for device in self.devices or ("",):
                    yield from (View(adversary, attack, variants, one, device) for one in self.runtimes or ("",))

    def _seen_by(self, adversary: Adversary) -> Iterator[tuple[str, ...]]:
        has_original = ORIGINAL in self.judged
        if adversary == "NR":
            yield from ((variant,) for variant in self.judged)
        elif adversary == "SR" and has_original:
            yield from ((ORIGINAL, variant) for variant in self.compressed)
        elif adversary == "MR" and len(self.compressed) > 1:
            yield self.compressed
            if has_original:
                yield (ORIGINAL, *self.compressed)
