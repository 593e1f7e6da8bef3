"""What is done to a picture to make a view of it, each step with its probability or strength.

"§" and appendices refer to SimCLR, arXiv 2002.05709.
"""

from __future__ import annotations

from dataclasses import dataclass

from clr_search.train.settings.declaration import check_declared, documented, setting


@documented
@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """The random transformations that make a view of a picture, in the order they are applied.

    The order and the defaults are those of the paper (§3, appendix A).

    Raises
    ------
    UsageError
        If a value is out of its range.

    Examples
    --------
    >>> Augmentation(strength=0.5, blur=0.0).strength
    0.5
    """

    crop_scale: tuple[float, float] = setting(
        (0.08, 1.0),
        "Least and greatest share of the picture's area that a crop keeps.",
        details="The share is drawn uniformly.",
        bounds=(1e-4, 1.0),
    )
    crop_ratio: tuple[float, float] = setting(
        (3 / 4, 4 / 3),
        "Least and greatest aspect ratio of a crop, width to height.",
        details="The ratio is drawn log-uniformly.",
        default_text="(3/4, 4/3)",
        bounds=(0.05, 20.0),
    )
    flip: float = setting(0.5, "Probability of a horizontal flip.", bounds=(0.0, 1.0))
    jitter: float = setting(0.8, "Probability of colour jitter.", bounds=(0.0, 1.0))
    strength: float = setting(
        1.0,
        "Strength s of the colour jitter; the greater it is, the more colours change.",
        details="Brightness, contrast and saturation vary by 0.8·s, hue by 0.2·s of the circle, of "
        "which half is everything. The paper has 1 on ImageNet, 0.5 on CIFAR-10 (B.9).",
        default_text="1; 0.5 up to 48 pixels",
        bounds=(0.0, 2.5),
        option="--colour-strength",
    )
    grey: float = setting(0.2, "Probability of losing all colour.", bounds=(0.0, 1.0))
    blur: float = setting(
        0.5,
        "Probability of Gaussian blur.",
        details="CIFAR-10 has none (B.9).",
        default_text="0.5; 0 up to 48 pixels",
        bounds=(0.0, 1.0),
    )
    blur_sigma: tuple[float, float] = setting(
        (0.1, 2.0),
        "Least and greatest standard deviation of the blur, in pixels.",
        details="The standard deviation is drawn uniformly.",
        bounds=(1e-3, 100.0),
    )
    blur_kernel: float = setting(
        0.1, "Size of the blur's kernel as a share of the view's side.", bounds=(0.0, 0.5)
    )
    local_scale: tuple[float, float] = setting(
        (0.05, 0.14),
        "The `crop_scale` of local views.",
        details="The default is that of SwAV (arXiv 2006.09882).",
        bounds=(1e-4, 1.0),
    )

    def __post_init__(self) -> None:
        for name in ("crop_scale", "crop_ratio", "blur_sigma", "local_scale"):
            low, high = getattr(self, name)  # JSON has lists only
            object.__setattr__(self, name, (float(low), float(high)))
        check_declared(self)
