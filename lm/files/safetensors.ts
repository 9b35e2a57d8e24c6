/**
 * The safetensors file format (huggingface/safetensors, README "Format"): eight
 * bytes of header length, a JSON header, raw little-endian tensors. Reads F32,
 * F16 and BF16 as float32 and I64/I32 as int32; writes F32 or F16.
 */
import { open, rename, rm, type FileHandle } from 'node:fs/promises'
import { sizeOf, type Shape } from '../graph/index.ts'
import { fileLimits } from './limits.ts'
import { fromBrainFloat, fromHalf, toHalf } from './half.ts'

export interface NamedTensor {
  shape: Shape
  data: Float32Array | Int32Array
}

export interface SafetensorsFile {
  readonly path: string
  readonly names: readonly string[]
  readonly metadata: Readonly<Record<string, string>>
  has(name: string): boolean
  shape(name: string): Shape
  /** As in the file: `F32`, `BF16`, … */
  dtype(name: string): string
  /** A tensor as float32; throws, naming file and tensor, where it is missing or holds integers. */
  float32(name: string): { shape: Shape; data: Float32Array }
  /** A tensor of integers as int32. */
  int32(name: string): { shape: Shape; data: Int32Array }
}

/**
 * A file's bytes, checked: every byte after the header belongs to exactly one tensor, which has its shape's size.
 * Errors name `path`.
 */
export function parseSafetensors(bytes: Uint8Array, path: string): SafetensorsFile {
  const start = headerEnd(bytes, bytes.byteLength, path)
  // A copy, so that the typed arrays over it are aligned and outlive the file's bytes.
  const read = (begin: number, end: number): Uint8Array<ArrayBuffer> => new Uint8Array(bytes.subarray(begin, end))
  return safetensorsFile({ header: bytes.subarray(8, start), size: bytes.byteLength, read, path })
}

/** The offset of the tensors in a file of `size` bytes that starts with `bytes` (eight or more). */
export function headerEnd(bytes: Uint8Array, size: number, path: string): number {
  if (bytes.byteLength < 8) throw new Error(`${path}: ${size} bytes are too short for a safetensors file`)
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0, true)
  if (length > BigInt(size - 8))
    throw new Error(
      `${path}: its header claims ${length} bytes, the file has ${size - 8} more: it is truncated, or not a safetensors file`,
    )
  if (length > BigInt(fileLimits.header))
    throw new Error(`${path}: its header claims ${length} bytes; at most ${fileLimits.header} are allowed`)
  return 8 + Number(length)
}

/** `read` gives a copy of the file's bytes from `begin` to `end`. */
export function safetensorsFile(from: {
  header: Uint8Array
  size: number
  read: (begin: number, end: number) => Uint8Array<ArrayBuffer>
  path: string
}): SafetensorsFile {
  const { header, size, read, path } = from
  const start = 8 + header.byteLength
  const { entries, metadata } = parseHeader(header, path)
  checkLayout(entries, size - start, path)
  const find = (name: string): Entry => {
    const entry = entries.get(name)
    if (!entry) throw new Error(`${path}: no tensor ${name}`)
    return entry
  }
  const raw = ({ begin, end }: Entry): ArrayBuffer => read(start + begin, start + end).buffer
  return {
    path,
    names: [...entries.keys()],
    metadata,
    has: (name) => entries.has(name),
    shape: (name) => find(name).shape,
    dtype: (name) => find(name).dtype,
    float32(name) {
      const entry = find(name)
      const { dtype, shape } = entry
      if (dtype === 'F32') return { shape, data: new Float32Array(raw(entry)) }
      if (dtype === 'F16') return { shape, data: fromHalf(new Uint16Array(raw(entry))) }
      if (dtype === 'BF16') return { shape, data: fromBrainFloat(new Uint16Array(raw(entry))) }
      throw new Error(`${path}: tensor ${name} is ${dtype}; only F32, F16 and BF16 are read`)
    },
    int32(name) {
      const entry = find(name)
      const { dtype, shape } = entry
      if (dtype === 'I32') return { shape, data: new Int32Array(raw(entry)) }
      if (dtype !== 'I64') throw new Error(`${path}: tensor ${name} is ${dtype}, not integers`)
      return { shape, data: Int32Array.from(new BigInt64Array(raw(entry)), Number) }
    },
  }
}

/** The bytes of a safetensors file; tensors are in name order. */
export function encodeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, NamedTensor>,
  { dtype = 'F32', metadata }: { dtype?: 'F32' | 'F16'; metadata?: Record<string, string> } = {},
): Uint8Array {
  const parts = [...tensors]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { shape, data }]) => {
      const stored = data instanceof Int32Array ? ('I32' as const) : dtype
      return { name, shape, dtype: stored, bytes: tensorBytes(data, { name, shape, dtype: stored }, path) }
    })
  const header = encodeHeader(parts, metadata)
  const bytes = new Uint8Array(parts.reduce((end, part) => end + part.bytes.byteLength, header.byteLength))
  bytes.set(header)
  let at = header.byteLength
  for (const { bytes: part } of parts) {
    bytes.set(part, at)
    at += part.byteLength
  }
  return bytes
}

/** A tensor as it is to be stored. */
export interface StoredTensor {
  name: string
  shape: Shape
  dtype: 'F32' | 'F16' | 'I32'
}

/** The header's length and the header of tensors that follow one another in this order. */
export function encodeHeader(
  tensors: readonly StoredTensor[],
  metadata: Record<string, string> = { format: 'pt' },
): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata }
  let offset = 0
  for (const { name, shape, dtype } of tensors) {
    const end = offset + sizeOf(shape) * byteWidth(dtype)
    header[name] = { dtype, shape, data_offsets: [offset, end] }
    offset = end
  }
  const json = new TextEncoder().encode(JSON.stringify(header))
  const padded = Math.ceil(json.byteLength / 8) * 8 // tensors start on a multiple of eight
  const bytes = new Uint8Array(8 + padded).fill(0x20, 8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true)
  bytes.set(json, 8)
  return bytes
}

/** The values of a tensor in its stored type. */
export function tensorBytes(
  data: Float32Array | Int32Array,
  { name, shape, dtype }: StoredTensor,
  path: string,
): Uint8Array {
  if (data.length !== sizeOf(shape)) throw new Error(`${path}: tensor ${name} [${shape}] has ${data.length} values`)
  const values = dtype === 'F16' && data instanceof Float32Array ? toHalf(data) : data
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}

/** Atomic: after a crash at any point the file has either its new content or its old one. */
export async function writeAtomically(path: string, bytes: Uint8Array): Promise<void> {
  await replaceFile(path, (file) => file.writeFile(bytes))
}

/** The same for what `write` writes. */
export async function replaceFile(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  const file = await open(temporary, 'w')
  try {
    await write(file)
    await file.sync()
    await file.close()
    await rename(temporary, path)
  } catch (error) {
    await file.close()
    await rm(temporary, { force: true })
    throw error
  }
}

interface Entry {
  dtype: string
  shape: Shape
  begin: number
  end: number
}

/** Bytes of one entry. */
const widths = new Map(
  Object.entries({
    F64: 8,
    I64: 8,
    U64: 8,
    F32: 4,
    I32: 4,
    U32: 4,
    F16: 2,
    BF16: 2,
    I16: 2,
    U16: 2,
    F8_E4M3: 1,
    F8_E5M2: 1,
    I8: 1,
    U8: 1,
    BOOL: 1,
  }),
)

function byteWidth(dtype: string): number {
  const width = widths.get(dtype)
  if (width === undefined) throw new Error(`${dtype} is not a tensor type`)
  return width
}

function parseHeader(
  json: Uint8Array,
  path: string,
): { entries: Map<string, Entry>; metadata: Record<string, string> } {
  const header = parseJson(json, path)
  const entries = new Map<string, Entry>()
  let metadata: Record<string, string> = {}
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__')
      metadata = Object.fromEntries(Object.entries(value ?? {}).map(([key, text]) => [key, String(text)]))
    else entries.set(name, parseEntry(name, value, path))
  }
  return { entries, metadata }
}

function parseJson(json: Uint8Array, path: string): Record<string, unknown> {
  try {
    const header: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json))
    if (typeof header === 'object' && header !== null && !Array.isArray(header))
      return header as Record<string, unknown>
  } catch (cause) {
    throw new Error(`${path}: its header is not JSON`, { cause })
  }
  throw new Error(`${path}: its header is not a JSON object`)
}

function parseEntry(name: string, value: unknown, path: string): Entry {
  const bad = new Error(`${path}: the header of tensor ${name} is malformed`)
  if (
    typeof value !== 'object' ||
    value === null ||
    !('dtype' in value) ||
    !('shape' in value) ||
    !('data_offsets' in value)
  )
    throw bad
  const { dtype, shape, data_offsets: offsets } = value
  if (typeof dtype !== 'string' || !isSizes(shape) || !isSizes(offsets)) throw bad
  const [begin, end] = offsets
  const width = widths.get(dtype)
  if (width === undefined) throw new Error(`${path}: tensor ${name} has the unknown type ${dtype}`)
  if (begin === undefined || end === undefined || offsets.length !== 2) throw bad
  if (end - begin !== sizeOf(shape) * width)
    throw new Error(`${path}: tensor ${name} is ${dtype} [${shape}], which does not match its ${end - begin} bytes`)
  return { dtype, shape, begin, end }
}

/** No tensor of a model has more axes. */
const maxAxes = 8

function isSizes(value: unknown): value is number[] {
  return (
    Array.isArray(value) && value.length <= maxAxes && value.every((size) => Number.isSafeInteger(size) && size >= 0)
  )
}

function checkLayout(entries: ReadonlyMap<string, Entry>, available: number, path: string): void {
  let end = 0
  for (const [name, entry] of [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)) {
    if (entry.end > available)
      throw new Error(`${path}: tensor ${name} ends at byte ${entry.end} of ${available}: the file is truncated`)
    if (entry.begin < end) throw new Error(`${path}: tensor ${name} overlaps another`)
    if (entry.begin > end)
      throw new Error(`${path}: ${entry.begin - end} bytes before tensor ${name} belong to no tensor`)
    end = entry.end
  }
  if (end < available)
    throw new Error(`${path}: ${available - end} bytes follow its last tensor: the file is longer than its header says`)
}
