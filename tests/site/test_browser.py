"""A site on a plain web server, in a real Chromium: it finds, it tells, and it sends nothing."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFilter
from playwright.sync_api import Browser, Page, expect

from clr_search import images
from clr_search.images.colour.ground import ground_of
from clr_search.index import Index
from clr_search.site import Options, export_site, runtime
from clr_search.site.vectors import unpack
from tests.browser import chromium
from tests.site.conftest import Export, served

__all__ = ["chromium"]  # a fixture

pytestmark = pytest.mark.browser

TILES = "#results img"
OWN_PAGE = Path(__file__).parents[2] / "examples" / "browser" / "own.html"
SEEN = """async (text) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const { seen } = await import("/pixels.js");
  return [...await seen(new Blob([bytes]), 32)];
}"""
DROP = """(text) => {
  const data = new DataTransfer();
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  data.items.add(new File([bytes], "dropped.png", { type: "image/png" }));
  for (const type of ["dragover", "drop"])
    document.getElementById("drop").dispatchEvent(
      new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


@pytest.fixture(scope="module")
def site(collection: Path, runtime_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site that needs no other server; read-only."""
    out = tmp_path_factory.mktemp("served") / "site"
    with Index.open(collection) as index:
        export_site(index, out, Options(title="Colours", runtime=runtime_folder))
    return out


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with served(site) as url:
        yield url


@pytest.fixture
def page(chromium: Browser, address: str) -> Iterator[Page]:
    """The page; in the end it must have asked only this server, for files, and not have failed."""
    page = chromium.new_page()
    asked: list[tuple[str, str]] = []
    failed: list[str] = []
    page.on("request", lambda request: asked.append((request.method, request.url)))
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.on("console", lambda line: failed.append(line.text))
    page.goto(address)
    expect(page.locator(TILES)).to_have_count(24)
    expect(page.locator("#ready")).to_contain_text("Ready", timeout=30_000)
    yield page
    page.context.close()
    assert len(asked) > 10
    assert [one for one in asked if one[0] != "GET" or not local(one[1], address)] == []
    assert failed == []


def local(url: str, address: str) -> bool:
    return url.startswith((address, f"blob:{address}", "data:,"))


def encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")


def alts(page: Page) -> list[str]:
    return [str(image.get_attribute("alt")) for image in page.locator(TILES).all()]


def test_it_proves_itself(page: Page, site: Path) -> None:
    page.get_by_role("link", name="Check that this browser").click()
    told = page.locator("#checked")
    expect(told).to_contain_text("Right: largest difference of the golden vector")
    found = re.search(r"vector (\d\.\de-\d+)", told.inner_text())
    assert found is not None
    assert float(found[1]) <= 1e-4
    sha256 = json.loads((site / "site.json").read_text())["encoder"]["sha256"]
    expect(told).to_contain_text(sha256[:12])


def test_a_picture_of_the_collection_is_found_first(page: Page, pictures: Path) -> None:
    for name in ("red/red03.png", "blue/blue04.jpg"):
        page.set_input_files("#file", str(pictures / name))
        expect(page.locator("#name")).to_have_text(Path(name).name)
        assert alts(page)[0] == Path(name).name
        scores = [float(text) for text in page.locator("#results b").all_inner_texts()]
        assert scores[0] >= 0.999
        assert scores == sorted(scores, reverse=True)
        expect(page.locator("#asked")).to_have_attribute("alt", f"Query: {Path(name).name}")


def test_a_picture_dropped_and_one_pasted(page: Page, pictures: Path) -> None:
    text = encoded(pictures / "green" / "green05.png")
    page.evaluate(DROP, text)
    expect(page.locator("#name")).to_have_text("dropped.png")
    assert alts(page)[0] == "green05.png"
    page.get_by_role("link", name="Clear").click()
    expect(page.locator("#query")).to_be_hidden()
    page.evaluate(
        DROP.replace("DragEvent(type, { dataTransfer", "ClipboardEvent(type, { clipboardData")
        .replace('["dragover", "drop"]', '["paste"]')
        .replace("dropped.png", "pasted.png"),
        text,
    )
    expect(page.locator("#name")).to_have_text("pasted.png")
    assert alts(page)[0] == "green05.png"


def test_the_search_is_that_of_python(page: Page, site: Path, collection: Path) -> None:
    packed = unpack((site / "vectors.bin").read_bytes(), 36)
    queries = np.random.default_rng(2).normal(size=(8, packed.shape[1])).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    search = """async (queries) => {
      const { load } = await import("/clr-search.js"), site = await load("/");
      return queries.map((query) => site.search(new Float32Array(query), 10));
    }"""
    with Index.open(collection) as index:
        for query, found in zip(queries, page.evaluate(search, queries.tolist()), strict=True):
            scores = packed @ query
            expected = np.argsort(-scores)[:10]
            assert [hit["number"] for hit in found] == expected.tolist()
            assert np.allclose([hit["score"] for hit in found], scores[expected], atol=1e-6)
            exact = {match.path.name for match in index.search_vector(query, 10)}
            assert len(exact & {hit["name"] for hit in found}) >= 9


def test_pictures_are_seen_as_python_sees_them(page: Page, tmp_path: Path) -> None:
    generator = np.random.default_rng(3)

    def picture(height: int, width: int, channels: int = 3) -> Image.Image:
        coarse = generator.integers(0, 256, (height // 12, width // 12, channels), dtype=np.uint8)
        return Image.fromarray(coarse).resize((width, height), Image.Resampling.NEAREST)

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for old, new in ((b"rXYZ", b"RXYZ"), (b"bXYZ", b"rXYZ"), (b"RXYZ", b"bXYZ")):
        profile = profile.replace(old, new)  # red and blue change places
    turned = Image.Exif()
    turned[274] = 6
    picture(333, 500).save(tmp_path / "plain.png")
    picture(20, 45).save(tmp_path / "small.png")
    picture(2200, 1700).save(tmp_path / "strips.png")  # more than are in work at a time
    picture(70, 50).save(tmp_path / "profiled.png", icc_profile=profile)
    picture(64, 80, 4).save(tmp_path / "transparent.png")
    picture(64, 80).quantize(90).save(tmp_path / "palette.gif", transparency=3)
    picture(50, 60).save(tmp_path / "turned.jpg", exif=turned, quality=95)
    picture(704, 1203).save(tmp_path / "an eighth.jpg", exif=turned, quality=95)
    picture(280, 331).save(tmp_path / "a quarter.jpg", quality=95)
    for path in sorted(tmp_path.glob("*.*")):
        expected = images.decode_square(path.read_bytes(), 32).pixels.astype(int)
        found = np.reshape(page.evaluate(SEEN, encoded(path)), expected.shape)
        difference = np.abs(found - expected)
        if path.suffix == ".jpg":  # decoders differ; unreduced, these would be more than 3 off
            assert difference.mean() < 1, path.name
        else:
            assert difference.max() <= 2, path.name  # rounded twice


def drawings() -> dict[str, Image.Image]:
    """Logos on transparency, which white, black and grey in turn would hide, and borders."""
    generator = np.random.default_rng(5)

    def logo(*colours: tuple[int, ...], size: tuple[int, int] = (72, 60)) -> Image.Image:
        image = Image.new("RGBA", size)
        for at, colour in enumerate(colours):
            left = 6 + at * 18
            image.paste(colour, (left, 8, left + 14, 44))
        return image

    white, black, grey = (255, 255, 255, 255), (0, 0, 0, 255), (128, 128, 128, 255)
    soft = logo(white, white)
    soft.putalpha(soft.getchannel("A").filter(ImageFilter.GaussianBlur(3)))
    noise = generator.integers(0, 256, (60, 72, 4), dtype=np.uint8)
    faint = generator.integers(200, 256, (60, 72, 4), dtype=np.uint8)
    faint[..., 3] = generator.integers(0, 90, (60, 72))
    framed = Image.new("RGBA", (40, 40), white)  # transparent in the middle only
    framed.paste((0, 0, 0, 0), (18, 18, 22, 22))
    wide = logo(white, white, size=(2100, 1100))  # of more than one band
    return {
        "white": logo(white),
        "black": logo(black),
        "white and black": logo(white, black),
        "white, black and grey": logo(white, black, grey),
        "colours": logo((255, 240, 240, 255), (250, 255, 250, 200), (0, 160, 160, 255)),
        "soft": soft,
        "noise": Image.fromarray(noise),
        "faint": Image.fromarray(faint),
        "framed": framed,
        "wide": wide,
        "nothing": Image.new("RGBA", (40, 40)),
        "opaque": Image.new("RGBA", (40, 40), grey),
    }


def test_transparency_lies_on_the_ground_that_python_chooses(page: Page, tmp_path: Path) -> None:
    chosen = set()
    for name, image in drawings().items():
        path = tmp_path / f"{name}.png"
        image.save(path)
        expected = images.decode_square(path.read_bytes(), 32).pixels.astype(int)
        found = np.reshape(page.evaluate(SEEN, encoded(path)), expected.shape)
        # A canvas keeps the colours of faint pixels less exactly.
        assert np.abs(found - expected).max() <= 4, name
        chosen.add(ground_of(image))
    assert len(chosen) >= 4


def test_what_is_no_picture_gets_plain_words(page: Page, pictures: Path, tmp_path: Path) -> None:
    cases = {
        "notes.png": (b"no picture at all", "It is not a picture."),
        "empty.png": (b"", "The file is empty."),
        "cut.jpg": (b"\xff\xd8\xff\xe0 this is no photograph", "a JPEG file that is damaged"),
        "scan.tif": (b"II*\0 and so on, and so on", "does not read this TIFF file"),
    }
    problem = page.locator("#problem")
    for name, (content, reason) in cases.items():
        (tmp_path / name).write_bytes(content)
        page.set_input_files("#file", str(tmp_path / name))
        expect(problem).to_contain_text(f"{name} was not searched for. ")
        expect(problem).to_contain_text(reason)
    page.set_input_files("#file", str(pictures / "red" / "red03.png"))
    expect(page.locator("#name")).to_have_text("red03.png")
    expect(problem).to_be_hidden()


def test_by_keyboard_from_picture_to_picture_and_back(page: Page) -> None:
    expect(page.get_by_label("Choose a picture")).to_be_enabled()
    first = page.locator("#results a").first
    name = alts(page)[0]
    first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#asked")).to_have_attribute("alt", f"Query: {name}")
    assert name not in alts(page)
    told = re.compile(r"^\w+\.(png|jpg), similarity -?\d\.\d{3}: search from this picture$")
    expect(first).to_have_attribute("aria-label", told)
    assert page.evaluate("document.activeElement.id") == "heading"
    page.get_by_role("button", name="Show more").click()
    expect(page.locator(TILES)).to_have_count(35)
    expect(page.get_by_role("button", name="Show more")).to_be_hidden()
    page.go_back()
    expect(page.locator("#query")).to_be_hidden()
    assert page.locator("img:not([alt])").count() == 0


def test_on_a_phone_nothing_is_wider_than_the_screen(page: Page, pictures: Path) -> None:
    page.set_viewport_size({"width": 340, "height": 700})
    page.set_input_files("#file", str(pictures / "red" / "red03.png"))
    expect(page.locator("#query")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 340


def test_opened_as_a_file_it_says_how_to_serve_it(chromium: Browser, site: Path) -> None:
    page = chromium.new_page()
    page.goto((site / "index.html").as_uri())
    expect(page.get_by_role("alert").first).to_contain_text("python -m http.server")
    page.context.close()


def test_without_webassembly_pictures_still_lead_to_each_other(
    chromium: Browser, address: str
) -> None:
    page = chromium.new_page()
    page.add_init_script("delete window.WebAssembly")
    page.goto(address)
    expect(page.locator("#problem")).to_contain_text("no WebAssembly")
    page.locator("#results a").first.click()
    expect(page.locator("#query")).to_be_visible()
    expect(page.locator("#results b")).to_have_count(24)
    page.context.close()


@pytest.mark.parametrize("secure", [True, False])
def test_an_encoder_of_another_site_is_refused(
    chromium: Browser, site: Path, tmp_path: Path, *, secure: bool
) -> None:
    broken = shutil.copytree(site, tmp_path / "site")
    data = bytearray((broken / "encoder.onnx").read_bytes())
    data[-1] ^= 1
    (broken / "encoder.onnx").write_bytes(data)
    page = chromium.new_page()
    if not secure:  # as by http:// from another machine, where browsers lend no SHA-384
        page.add_init_script("Object.defineProperty(crypto, 'subtle', { value: undefined })")
    with served(broken) as address:
        page.goto(address)
        told = "is not the file that belongs" if secure else "or is not what it should be"
        expect(page.locator("#problem")).to_contain_text(re.compile(f"^encoder.onnx .*{told}"))
        page.context.close()


@pytest.mark.parametrize("altered", [False, True])
def test_the_runtime_from_a_cdn_is_the_pinned_one(
    chromium: Browser,
    export: Export,
    runtime_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    altered: bool,
) -> None:
    copy = runtime.find(runtime_folder)
    (tmp_path / "cdn").mkdir()
    (tmp_path / "cdn" / runtime.BINARY).symlink_to(copy.binary)
    script = copy.script.read_bytes()
    (tmp_path / "cdn" / runtime.SCRIPT).write_bytes(script[:-1] + b" " if altered else script)
    page = chromium.new_page()
    with served(tmp_path / "cdn") as cdn:  # another port is another origin
        monkeypatch.setattr(runtime, "CDN", cdn)
        with served(export()) as address:
            page.goto(f"{address}#check")
            if altered:
                told = f"{runtime.SCRIPT} is not the file that belongs to this site"
                expect(page.locator("#problem")).to_contain_text(told)
            else:
                expect(page.locator("#checked")).to_contain_text("Right", timeout=30_000)
            page.context.close()


def test_the_example_of_ones_own_page(
    chromium: Browser, site: Path, pictures: Path, tmp_path: Path
) -> None:
    shutil.copytree(site, tmp_path / "site")
    shutil.copy(OWN_PAGE, tmp_path / "own.html")
    page = chromium.new_page()
    with served(tmp_path) as address:
        page.goto(f"{address}own.html")
        expect(page.get_by_role("status")).to_have_text("Colours: 36 pictures")
        page.set_input_files("#file", str(pictures / "blue" / "blue07.png"))
        expect(page.locator("#found img")).to_have_count(8, timeout=30_000)
        expect(page.locator("#found img").first).to_have_attribute("alt", "blue07.png")
        expect(page.locator("#found li").first).to_contain_text(re.compile(r" (1\.000|0\.999) "))
        page.context.close()
