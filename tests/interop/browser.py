"""The pages in a real browser: Debian's Chromium, driven by Playwright.

Scripts are switched off: nothing may need one. Every request of the browser to
another host is a failure, and so is what the browser says on its console.

    browser.py --binary lakegate --shots FOLDER
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from transit import Simulated

CHROMIUM = os.environ.get("LAKEGATE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


@contextlib.contextmanager
def served(binary: Path, lake: Path):
    """The lake, worked on and served; yields its address."""
    process = subprocess.Popen(
        [binary, "--lake", lake, "up", "--listen", "127.0.0.1:0", "--admin", "--json"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"RIDGE_KEY": "s3cret"},
    )
    try:
        while True:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("lakegate ended before it said where it serves")
            said = json.loads(line)
            if "url" in said:
                break
        # Whoever does not read on would stop it.
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield said["url"]
    finally:
        process.terminate()
        process.wait(timeout=60)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--binary", type=Path, required=True)
    arguments.add_argument("--examples", type=Path, required=True)
    arguments.add_argument("--shots", type=Path)
    given = arguments.parse_args()
    if CHROMIUM is None:
        print("skipped: there is no Chromium (Debian: apt-get install chromium), so no page was looked at")
        return 0
    shots = given.shots
    if shots:
        shots.mkdir(parents=True, exist_ok=True)
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="lakegate-browser-") as scratch, Simulated(given.binary) as agencies:
        lake = Path(scratch) / "lake"
        agencies.lake(given.examples / "bus_observatory", lake)
        # One is to be added by hand.
        (lake / "datasets/ridge.yaml").unlink()
        subprocess.run([given.binary, "--lake", lake, "run", "--json"], check=True, stdout=subprocess.DEVNULL)
        with served(given.binary, lake) as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=CHROMIUM,
                args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
            )
            for scheme in ("light", "dark"):
                context = browser.new_context(
                    java_script_enabled=False, color_scheme=scheme, viewport={"width": 1000, "height": 900}
                )
                page = context.new_page()
                # That the page which is missing is missing is no fault.
                page.on(
                    "console",
                    lambda message: "404" in message.text or wrong.append(f"the console says: {message.text}"),
                )
                page.on(
                    "request",
                    lambda request: request.url.startswith(url) or wrong.append(f"another host is asked: {request.url}"),
                )
                look(page, url, agencies, scheme, shots)
                context.close()
            instruments(given, Path(scratch), browser, wrong)
            browser.close()
    for line in wrong:
        print(f"DIFFERS {line}")
    print(f"pages in {Path(CHROMIUM).name}: {'as they should be' if not wrong else f'{len(wrong)} faults'}")
    return 1 if wrong else 0


def instruments(given: argparse.Namespace, scratch: Path, browser, wrong: list[str]) -> None:
    """The page of a table with checks, plots and exports: `examples/moorings`."""
    lake = scratch / "moorings"
    shutil.copytree(given.examples / "moorings", lake)
    for dataset in ("buoy", "waves"):
        fixtures = lake / "fixtures/ocean" / dataset / "first_of_april/input"
        shutil.copytree(fixtures, lake / "landing/ocean" / dataset)
    # One file of the example waits for a person.
    loaded = subprocess.run([given.binary, "--lake", lake, "run", "--json"], stdout=subprocess.DEVNULL)
    assert loaded.returncode == 3, loaded
    with served(given.binary, lake) as url:
        for scheme in ("light", "dark"):
            context = browser.new_context(
                java_script_enabled=False, color_scheme=scheme, viewport={"width": 1000, "height": 900}
            )
            page = context.new_page()
            # There is no icon, and what is downloaded is no page.
            page.on(
                "console",
                lambda message: "404" in message.text or wrong.append(f"the console says: {message.text}"),
            )
            page.on(
                "requestfailed",
                lambda request: request.url.endswith(".nc") or wrong.append(f"no answer: {request.url}"),
            )
            page.goto(f"{url}/review/ocean.buoy")
            page.get_by_role("link", name="met", exact=True).click()
            expect(page.get_by_role("heading", name="Quality")).to_be_visible()
            expect(page.get_by_role("row", name=re.compile("^pressure valid_max bad"))).to_contain_text("1 of 72")
            plots = page.get_by_role("img", name=re.compile("^Plot of "))
            expect(plots).to_have_count(7)
            for n in range(7):
                plots.nth(n).scroll_into_view_if_needed()
                box = plots.nth(n).bounding_box()
                # One that is not drawn is as high as its words.
                if not box or box["height"] < 200 or box["width"] > 1000:
                    wrong.append(f"a plot is not drawn as it should be: {box}")
            if given.shots:
                page.screenshot(path=given.shots / f"instruments-{scheme}.png", full_page=True)
            with page.expect_download() as download:
                page.get_by_role("link", name=re.compile("^humboldt.*[.]nc$")).first.click()
            assert download.value.path().read_bytes()[1:4] == b"HDF", "a netCDF-4 file"
            page.get_by_role("link", name="Rows that fail valid_max[pressure]").click()
            expect(page.get_by_role("cell", name="1201.0")).to_be_visible()
            context.close()


def look(page, url: str, agencies: Simulated, scheme: str, shots: Path | None) -> None:
    def shot(name: str) -> None:
        if shots:
            page.screenshot(path=shots / f"{name}-{scheme}.png", full_page=True)

    page.goto(url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Feeds")
    expect(page.get_by_role("row", name=re.compile("^harbor"))).to_contain_text("fresh")
    shot("feeds")

    # By the keyboard alone: the first link of the list is reached and followed.
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.locator(":focus").inner_text() == "harbor":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("harbor")
    assert page.locator("svg circle").count() == 72, "every vehicle is a point"
    expect(page.get_by_role("heading", name="Gaps")).to_be_visible()
    expect(page.get_by_role("heading", name="Columns")).to_be_visible()
    shot("feed")

    page.get_by_role("link", name="routes of the newest day").click()
    page.get_by_role("link", name="H1", exact=True).click()
    expect(page.get_by_role("region")).to_be_visible()
    shot("day")

    page.goto(f"{url}/tables")
    page.get_by_role("link", name="transit.fjord.fjord").click()
    expect(page.get_by_role("columnheader", name="line_ref", exact=True)).to_be_visible()
    shot("table")

    if scheme == "light":
        page.goto(f"{url}/feeds/new")
        shot("new")
        page.get_by_label("Address").fill(f"http://{agencies.address}/ridge/vehicleLocations.xml?key=s3cret")
        page.get_by_label("Name").fill("ridge")
        page.get_by_label("Team").fill("transit")
        page.get_by_label("Time zone").fill("America/Los_Angeles")
        page.get_by_role("button", name="Look").click()
        expect(page.locator("body")).to_contain_text("read: nextbus")
        assert "s3cret" not in page.content(), "a key is not shown"
        shot("proposed")
        page.get_by_role("button", name="Write it").click()
        shot("written")
        # It is there without a restart.
        for _ in range(100):
            page.goto(f"{url}/feeds")
            if page.get_by_role("link", name="ridge", exact=True).count():
                break
            page.wait_for_timeout(100)
        page.get_by_role("link", name="ridge", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("ridge")

    page.goto(f"{url}/feeds/nobody")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    shot("missing")


if __name__ == "__main__":
    sys.exit(main())
