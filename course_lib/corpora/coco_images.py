"""COCO's images, which four data sets share: fetched once, or one by one for a limited run."""

from __future__ import annotations

from pathlib import Path

from course_lib.corpora.pictures import Source, from_coco_folders, from_links
from course_lib.downloads.links import Links
from course_lib.downloads.remote import Remote

SITE = "http://images.cocodataset.org/"
PICTURES = "with --limit one by one from images.cocodataset.org, about 0.16 MB each"
# Sizes and checksums: TensorFlow Datasets, url_checksums/coco.txt.
TRAIN = Remote(
    f"{SITE}zips/train2017.zip",
    "coco/train2017.zip",
    size=19336861798,
    sha256="69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
    into="coco/images/train2017",
    strip=1,
)
VAL = Remote(
    f"{SITE}zips/val2017.zip",
    "coco/val2017.zip",
    size=815585330,
    sha256="4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
    into="coco/images/val2017",
    strip=1,
)


def coco_images(limit: int | None, *wanted: Remote) -> tuple[Remote, ...]:
    """Returns the archives to fetch: those wanted, or none where a few images will do."""
    return wanted if limit is None else ()


def coco_source(data: Path, links: Links, limit: int | None) -> Source:
    """Returns where a name like "train2017/000000000009.jpg" is looked for.

    Args:
        data: the data folder.
        links: gets single images.
        limit: of rows; None says that the archives were fetched.
    """
    if limit is None:
        folder = data / "coco" / "images"
        return from_coco_folders(folder / "train2017", folder / "val2017")
    return from_links(links, lambda name: SITE + name)
