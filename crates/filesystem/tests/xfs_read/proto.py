"""Writes a prototype for mkfs.xfs -p: a tree with every format of directory that needs no kernel."""
import os

LONG = "name" * 12
os.makedirs("content", exist_ok=True)


def content(name, data):
    with open(f"content/{name}", "wb") as file:
        file.write(data)
    return f"content/{name}"


lines = ["/none", "0 0", "d--755 0 0"]
for name, count, long in [("short", 3, ""), ("block", 40, ""), ("leaf", 150, ""), ("node", 600, LONG)]:
    lines.append(f"{name} d--755 0 0")
    lines += [f"{long}entry{i} ---644 {i} 7 {content('small', b'small')}" for i in range(count)]
    lines.append("$")
lines.append(f"file ---640 12345 54321 {content('file', bytes(range(256)) * 100 + b'end')}")
lines.append(f"mapped ---600 0 0 {content('mapped', b'mapped--' * 1024)}")
lines.append(f"empty ---600 0 0 {content('empty', b'')}")
lines.append("link l--777 0 0 target")
lines.append(f"longlink l--777 0 0 {'t' * 900}")
lines.append("null c--666 0 0 1 3")
lines.append("disk b--660 0 0 8 1")
lines.append("pipe p--600 0 0")
lines.append("$")
with open("proto", "w") as file:
    file.write("\n".join(lines) + "\n$\n")
