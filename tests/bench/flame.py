#!/usr/bin/python3
"""A flame graph from `perf script`: perf script | flame.py > flame.svg. Widths are shares of samples; a frame lies on its
caller; the kernel is blue, libraries are grey, our own code is green. Hover for the whole name and its share."""
import html, re, sys

WIDE, HIGH, LEAST = 1400, 17, 0.0008
COLOURS = (("kernel", "#8fb3d9"), ("ours", "#7cc39a"), ("library", "#c9c4bb"))


def frame(line):
    """'  55d0c8 name+0x1f (object)' -> name, whose."""
    m = re.match(r"\s*[0-9a-f]+ (.*?)(?:\+0x[0-9a-f]+)? \((.*)\)$", line)
    if not m:
        return None
    name, where = m[1], m[2]
    whose = "kernel" if "kernel" in where or where.startswith("[") and "vdso" not in where else \
        "ours" if where.endswith("/sallyport") else "library"
    return (where.rsplit("/", 1)[-1] if name == "[unknown]" else name), whose


class Node:
    def __init__(self):
        self.count, self.below = 0, {}


def read(lines):
    root, stack = Node(), []
    for line in lines + [""]:
        if line.strip() and line[0] not in " \t":
            stack = []
        elif line.strip():
            got = frame(line)
            if got:
                stack.append(got)
        elif stack:
            root.count += 1
            node = root
            for key in reversed(stack):
                node = node.below.setdefault(key, Node())
                node.count += 1
            stack = []
    return root


def depth(node, total):
    return 1 + max((depth(n, total) for n in node.below.values() if n.count >= LEAST * total), default=0)


def draw(node, total, x, level, top, out):
    for (name, whose), below in sorted(node.below.items()):
        wide = below.count / total * WIDE
        if below.count >= LEAST * total:
            y = (top - level) * HIGH
            text = html.escape(name[:int(wide / 6.8)]) if wide > 24 else ""
            out.append(f'<g><title>{html.escape(name)}: {below.count / total:.1%}</title>'
                       f'<rect x="{x:.1f}" y="{y}" width="{max(wide - 0.5, 0.3):.1f}" height="{HIGH - 1}" '
                       f'fill="{dict(COLOURS)[whose]}"/><text x="{x + 3:.1f}" y="{y + 12}">{text}</text></g>')
            draw(below, total, x, level + 1, top, out)
        x += wide


def main():
    root = read(sys.stdin.read().splitlines())
    if not root.count:
        sys.exit("flame: no samples")
    top = depth(root, root.count)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDE}" height="{(top + 1) * HIGH}" '
           f'font-family="monospace" font-size="11"><rect width="100%" height="100%" fill="#fff"/>']
    draw(root, root.count, 0, 0, top, out)
    print("\n".join(out + ["</svg>"]))


main()
