"""What an image file lacks, or declares beyond the data that it holds: seen before anything is decoded.

Decoders fill what is missing with zeros, allocate what a damaged header asks for, and pass over checksums. Each
function returns the end of a sentence that begins with the file's name, or '' if it finds nothing.
"""

import math
import struct
import zlib

import numpy as np
import tifffile

# The most bytes that one byte of compressed data can become; more cannot be meant. An all-zero label map of
# 2500 × 2000 float64 comes near: 1028 (deflate), 1313 (LZW), 32,232 (zstd).
DEFLATE = 1032  # 258 bytes from 2 bits
LZW = 2730  # fewer than 4096 bytes from 12 bits
ZSTD = 32768  # 128 KB from 4 bytes; LZMA stays below
PACKBITS = 64  # 128 bytes from 2
RATIOS = {1: 1, 5: LZW, 8: DEFLATE, 32946: DEFLATE, 32773: PACKBITS, 34925: ZSTD, 34926: ZSTD, 50000: ZSTD}
OTHER_RATIO = 2**20  # codecs of images describe a blank tile of 4096 × 4096 px in some fifty bytes
JPEG_PIXELS = 1024  # of one byte: a block of 8 × 8 px takes at least 1 bit
JPEG_IN_TIFF = (6, 7, 33007, 34892)
PADDING = 2**26  # bytes by which a tile may exceed its image
PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type


def tiff_fault(page: tifffile.TiffPage, sparse: bool = False) -> str:
    """Strips or tiles that are absent, reach beyond the file, or hold too little for what the page declares.

    ``sparse``: absent ones are meant.
    """
    kind = 'tile' if page.is_tiled else 'strip'
    n, size = math.prod(page.chunked), page.parent.filehandle.size
    height, width = page.imagelength, page.imagewidth
    tag = page.tags.get(324 if page.is_tiled else 273)
    listed = min(len(page.dataoffsets), len(page.databytecounts))
    if listed >= n and tag is not None and not page.is_lsm:
        listed = tag.count  # tifffile cuts what is too much
    if listed < n or (listed > n and tag is not None):
        return f'is damaged: it lists {listed} {kind}s, but its {height} × {width} px take {n}'
    if page.samplesperpixel > 1 and int(page.planarconfig) not in (1, 2):  # would leave pixels undefined
        return (
            f'is damaged: its planar configuration is {int(page.planarconfig)}, expected 1 (interleaved) or 2 (planar)'
        )
    offsets, counts = (np.array(values[:n], np.float64) for values in (page.dataoffsets, page.databytecounts))
    absent = np.flatnonzero((offsets <= 0) | (counts <= 0))
    if absent.size and not sparse:
        return (
            f'is damaged, or was not written to its end: {absent.size} of its {n} {kind}s have no data, the first of '
            f'them {kind} {absent[0] + 1}'
        )
    ends = offsets + counts
    for k in np.flatnonzero(ends > size)[:1]:
        return f'is truncated: {kind} {k + 1} of {n} should reach to byte {ends[k]:.0f}, but the file ends at {size}'

    bits = np.atleast_1d(page.bitspersample)
    separate = page.planarconfig == tifffile.PLANARCONFIG.SEPARATE
    pixel_bits = int(bits.max() if separate else bits.sum() * (page.samplesperpixel if len(bits) == 1 else 1))
    tall, wide = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, width)
    # Bytes that the part of the image in each strip or tile takes, without the padding of tiles
    rows = np.minimum(tall, height - np.arange(0, height, tall, np.int64)).astype(np.float64)
    columns = np.minimum(wide, width - np.arange(0, width, wide, np.int64))
    needed = (rows[:, None] * np.ceil(columns * pixel_bits / 8)).ravel()
    needed = np.tile(needed, n // len(needed))
    ratio = RATIOS.get(int(page.compression), OTHER_RATIO)
    for k in np.flatnonzero((needed > ratio * counts) & (counts > 0))[:1]:
        most = '' if ratio == 1 else f', which can become {ratio * counts[k]:.0f} at most'
        return (
            f'is damaged: {kind} {k + 1} of {n} holds {counts[k]:.0f} bytes{most}, but its part of '
            f'{height} × {width} px takes {needed[k]:.0f}'
        )
    if page.is_tiled and tall * wide * pixel_bits / 8 > max(needed.sum(), PADDING):
        return f'is damaged: its tiles are {tall} × {wide} px, its image {height} × {width}'
    if int(page.compression) in JPEG_IN_TIFF and page.jpegheader is None:
        tall = tall if page.is_tiled else min(tall, -(-height // 16) * 16)  # a JPEG may be padded
        for k, place in enumerate(zip(page.dataoffsets, page.databytecounts)):
            high, across = _jpeg_size(page.parent.filehandle, *place)
            if high > tall or across > wide:
                return f'is damaged: {kind} {k + 1} of {n} holds a JPEG of {high} × {across} px'
    return ''


def _jpeg_size(file: tifffile.FileHandle, offset: int, count: int) -> tuple[int, int]:
    """Height and width that the frame header of a JPEG declares; (0, 0) where it is not found."""
    file.seek(offset)
    data, at = file.read(count), 2
    while at + 9 <= len(data) and data[at] == 0xFF and not 0xC0 <= data[at + 1] <= 0xC3:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], 'big')
    found = at + 9 <= len(data) and data[at] == 0xFF
    return struct.unpack('>HH', data[at + 5 : at + 9]) if found else (0, 0)


def jpeg_fault(data: bytes, height: int, width: int) -> str:
    """A JPEG that declares more pixels than its data can make. There are no checksums that could be looked at."""
    if height * width > JPEG_PIXELS * len(data):
        return f'is damaged: it declares {height} × {width} px, more than its {len(data)} bytes can hold'
    return ''


def png_fault(data: bytes) -> str:
    """A PNG's checksums, of its chunks and of its pixels, its end, and pixels that its data cannot become."""
    header, parts, at = b'', [], 8
    while data[at + 4 : at + 8] != b'IEND':
        name, end = data[at + 4 : at + 8], at + 12 + int.from_bytes(data[at : at + 4], 'big')
        if end > len(data):
            return f'is truncated: it ends at byte {len(data)}, within or before a chunk that its end (IEND) follows'
        body = data[at + 8 : end - 4]
        if zlib.crc32(body, zlib.crc32(name)) != int.from_bytes(data[end - 4 : end], 'big'):
            return f'is damaged: the checksum of its chunk {name!r} at byte {at} does not fit its content'
        if name == b'IHDR':
            header = header or body
        elif name == b'IDAT':
            parts.append(body)
        at = end
    if data[at : at + 12] != b'\0\0\0\0IEND\xaeB`\x82' or len(header) != 13:
        return 'is damaged: it has no header (IHDR) or a broken end (IEND)'
    width, height, depth, colour = struct.unpack('>IIBB', header[:10])
    pixels, inflate = b''.join(parts), zlib.decompressobj()
    needed = height * (1 + -(-width * depth * PNG_SAMPLES.get(colour, 0) // 8))  # an interlaced one takes a little more
    if needed > DEFLATE * len(pixels):
        return f'is damaged: it declares {height} × {width} px, more than its {len(pixels)} bytes of pixels can become'
    try:
        found = len(inflate.decompress(pixels, 2 * needed + 16 * height))  # interlaced ones stay below
    except zlib.error as error:
        return f'is damaged: its pixels cannot be inflated ({error})'
    if found < needed or not inflate.eof:
        return f'is damaged: its pixels are {found} bytes without their end, where {needed} were declared'
    return ''
