# Nothing but text.
yes 'not a disk' 2>/dev/null | head -c 1M >image || true
