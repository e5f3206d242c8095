# A GPT entry that ends at sector 2^63.
truncate -s 20M image
sgdisk -U D15C5C4B-0000-4000-8000-000000000000 -n 1:2048:+8M -u 1:D15C5C4B-0000-4000-8000-000000000001 image >/dev/null
python3 - <<'END'
import struct, zlib
image = bytearray(open('image', 'rb').read())
struct.pack_into('<Q', image, 1024 + 40, 2**63)
struct.pack_into('<I', image, 512 + 88, zlib.crc32(image[1024:1024 + 128 * 128]))
struct.pack_into('<I', image, 512 + 16, 0)
struct.pack_into('<I', image, 512 + 16, zlib.crc32(image[512:512 + 92]))
open('image', 'wb').write(image)
END
