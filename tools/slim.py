"Drop from the rendered site's themes and icons what no page and no script of it can use, and store its plots as palettes"

import os
import re
from pathlib import Path

from fontTools.subset import Subsetter
from fontTools.ttLib import TTFont
from PIL import Image

RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
DECLARATION = re.compile(r'(?:"[^"]*"|[^;"])+')
VARIABLE = re.compile(r'(?<=[;{])\s*(--[\w-]+):(?:"[^"]*"|[^;}"])*;?')


def words(site: Path) -> set[str]:
    "Find every word that could be a class, an id or a variable in the site's pages and scripts"
    files = [*site.rglob("*.html"), *site.rglob("*.js"), site / "styles.css"]
    return {w for f in files for w in re.findall(r"[\w-]+", f.read_text(encoding="utf-8"))}


def usable(selector: str, used: set[str]) -> bool:
    "Say whether all classes and ids of a selector are in `used`"
    plain = re.sub(r"\[[^]]*\]|:not\([^)]*\)", "", selector)
    return all(name.replace("\\", "") in used for name in re.findall(r"[.#]((?:[\w-]|\\.)+)", plain))


def drop_rules(css: str, used: set[str]) -> str:
    "Keep the selectors that a page can match"

    def keep(rule: re.Match) -> str:
        statements, semicolon, selectors = rule[1].rpartition(";")
        if selectors.strip().startswith("@"):
            return rule[0]
        kept = [s for s in re.split(r",(?![^(]*\))", selectors) if usable(s, used)]
        return statements + semicolon + (f"{','.join(kept)}{{{rule[2]}}}" if kept else "")

    css = RULE.sub(keep, re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL))
    return drop_empty(css)


def drop_empty(css: str) -> str:
    "Remove the media queries and animations that hold nothing"
    return re.sub(r"@(?:media|supports|[\w-]*keyframes)[^{}]+\{\s*\}", "", css)


def drop_variables(css: str, used: set[str]) -> str:
    "Keep the variables that something asks for"
    asked = used | set(re.findall(r"var\(\s*(--[\w-]+)", css))
    return VARIABLE.sub(lambda v: v[0] if v[1] in asked else "", css)


def family(declaration: str) -> str:
    "Name the group of properties that can override each other, such as border; a variable stands alone"
    name = declaration.partition(":")[0].strip()
    return name if name.startswith("--") else name.lstrip("-").partition("-")[0]


def drop_repeated(dark: str, light: str) -> str:
    "Remove from the dark theme, which is laid over the light one, what it repeats of groups it never changes"
    same = {(selectors, d) for selectors, body in RULE.findall(light) for d in DECLARATION.findall(body)}
    changed = {
        family(d)
        for selectors, body in RULE.findall(dark)
        for d in DECLARATION.findall(body)
        if (selectors, d) not in same
    }

    def keep(rule: re.Match) -> str:
        body = ";".join(d for d in DECLARATION.findall(rule[2]) if family(d) in changed)
        return f"{rule[1]}{{{body}}}" if body else ""

    return drop_empty(RULE.sub(keep, dark))


def slim_icons(css: Path, font: Path):
    "Keep the icons that the style sheet still names"
    subsetter, icons = Subsetter(), TTFont(font)
    subsetter.populate(unicodes=[int(c, 16) for c in re.findall(r'content: *"\\(\w+)"', css.read_text())])
    subsetter.subset(icons)
    icons.save(font)


def slim_plot(path: Path):
    "Store a plot with a palette of 256, a quarter of its bytes; photographs and transparent pictures stay as they are"
    with Image.open(path) as picture:
        lowest_alpha = picture.convert("RGBA").getextrema()[3][0]
        picture = picture.convert("RGB")
        if lowest_alpha == 255 and picture.getcolors(4096):
            small = picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
            small.save(path, optimize=True)


def main():
    site = Path(os.environ["QUARTO_PROJECT_OUTPUT_DIR"])
    folder, used = site / "site_libs" / "bootstrap", words(site)
    sheets = {p: drop_variables(drop_rules(p.read_text("utf-8"), used), used) for p in folder.glob("*.css")}
    light = next(css for p, css in sheets.items() if re.match(r"bootstrap-(?!dark|icons)", p.name))
    for path, css in sheets.items():
        path.write_text(drop_repeated(css, light) if "dark" in path.name else css, "utf-8")
    for path in site.glob("**/figure-html/*.png"):
        slim_plot(path)
    slim_icons(folder / "bootstrap-icons.css", folder / "bootstrap-icons.woff")


if __name__ == "__main__":
    main()
