# The image of `cargo xtask demo`.
zstd -dq "$ROOT/testdata/demo/demo.img.zst" -o image
cp "$ROOT/testdata/demo/demo.secrets.tsv" tokens.tsv
