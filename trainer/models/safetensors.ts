/**
 * The safetensors file format (huggingface/safetensors, README "Format"): eight
 * bytes of header length, a JSON header, raw little-endian tensors. Reads F32,
 * F16 and BF16 as float32 and I64/I32 as int32; writes F32 or F16.
 */
import { open, readFile, rename, rm } from 'node:fs/promises'
import { sizeOf, type Shape } from '../graph/index.ts'
import { fromHalf, toHalf } from './half.ts'

export interface NamedTensor { shape: Shape; data: Float32Array | Int32Array }

export interface SafetensorsFile {
  readonly names: readonly string[]
  readonly metadata: Readonly<Record<string, string>>
  has(name: string): boolean
  /** A tensor as float32; throws, naming file and tensor, where it is missing or holds integers. */
  float32(name: string): { shape: Shape; data: Float32Array }
  /** A tensor of integers as int32. */
  int32(name: string): { shape: Shape; data: Int32Array }
}

/** Reads and checks a whole file: every tensor lies within it, has its shape's size, and overlaps no other. */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  return parseSafetensors(await readFile(path), path)
}

/** As `readSafetensors`, from bytes; `path` is what errors name. */
export function parseSafetensors(bytes: Uint8Array, path: string): SafetensorsFile {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.byteLength < 8) throw new Error(`${path}: ${bytes.byteLength} bytes are too few for a safetensors file`)
  const headerLength = view.getBigUint64(0, true)
  if (headerLength > BigInt(bytes.byteLength - 8)) throw new Error(`${path}: its header claims ${headerLength} bytes, the file has ${bytes.byteLength - 8} more`)
  const start = 8 + Number(headerLength)
  const { entries, metadata } = parseHeader(bytes.subarray(8, start), path)
  checkLayout(entries, bytes.byteLength - start, path)
  const raw = (name: string) => {
    const entry = entries.get(name)
    if (!entry) throw new Error(`${path}: no tensor ${name}`)
    // A copy, so that the typed arrays over it are aligned and outlive the file's bytes.
    return { ...entry, bytes: new Uint8Array(bytes.subarray(start + entry.begin, start + entry.end)) }
  }
  return {
    names: [...entries.keys()],
    metadata,
    has: name => entries.has(name),
    float32(name) {
      const { dtype, shape, bytes: own } = raw(name)
      if (dtype === 'F32') return { shape, data: new Float32Array(own.buffer, own.byteOffset, own.byteLength / 4) }
      if (dtype === 'F16') return { shape, data: fromHalf(new Uint16Array(own.buffer, own.byteOffset, own.byteLength / 2)) }
      if (dtype === 'BF16') return { shape, data: fromBrainFloat(new Uint16Array(own.buffer, own.byteOffset, own.byteLength / 2)) }
      throw new Error(`${path}: tensor ${name} is ${dtype}, not floating point`)
    },
    int32(name) {
      const { dtype, shape, bytes: own } = raw(name)
      if (dtype === 'I32') return { shape, data: new Int32Array(own.buffer, own.byteOffset, own.byteLength / 4) }
      if (dtype !== 'I64') throw new Error(`${path}: tensor ${name} is ${dtype}, not integers`)
      return { shape, data: Int32Array.from(new BigInt64Array(own.buffer, own.byteOffset, own.byteLength / 8), Number) }
    },
  }
}

/** Writes tensors (in name order) to a temporary file, syncs it and renames it to `path`. */
export async function writeSafetensors(path: string, tensors: ReadonlyMap<string, NamedTensor>,
  options: { dtype?: 'F32' | 'F16'; metadata?: Record<string, string> } = {}): Promise<void> {
  await writeAtomically(path, encodeSafetensors(path, tensors, options))
}

/** The bytes of a safetensors file. */
export function encodeSafetensors(path: string, tensors: ReadonlyMap<string, NamedTensor>,
  { dtype = 'F32', metadata = { format: 'pt' } }: { dtype?: 'F32' | 'F16'; metadata?: Record<string, string> } = {}): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata }
  const parts: Uint8Array[] = []
  let offset = 0
  for (const [name, { shape, data }] of [...tensors].sort(([a], [b]) => a < b ? -1 : 1)) {
    if (data.length !== sizeOf(shape)) throw new Error(`${path}: tensor ${name} [${shape}] has ${data.length} values`)
    const halved = dtype === 'F16' && data instanceof Float32Array
    const values = halved ? toHalf(data) : data
    const part = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    header[name] = { dtype: halved ? 'F16' : data instanceof Float32Array ? 'F32' : 'I32', shape, data_offsets: [offset, offset + part.byteLength] }
    parts.push(part)
    offset += part.byteLength
  }
  const json = new TextEncoder().encode(JSON.stringify(header))
  const padded = Math.ceil(json.byteLength / 8) * 8 // tensors start on a multiple of eight
  const bytes = new Uint8Array(8 + padded + offset).fill(0x20, 8, 8 + padded)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true)
  bytes.set(json, 8)
  let at = 8 + padded
  for (const part of parts) {
    bytes.set(part, at)
    at += part.byteLength
  }
  return bytes
}

/** The file holds all of `bytes` or, after a crash at any point, what it held before. */
export async function writeAtomically(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  const file = await open(temporary, 'w')
  try {
    await file.writeFile(bytes)
    await file.sync()
    await file.close()
    await rename(temporary, path)
  } catch (error) {
    await file.close()
    await rm(temporary, { force: true })
    throw error
  }
}

interface Entry { dtype: string; shape: Shape; begin: number; end: number }

const widths: Readonly<Record<string, number>> = { F64: 8, I64: 8, U64: 8, F32: 4, I32: 4, U32: 4, F16: 2, BF16: 2, I16: 2, U16: 2, I8: 1, U8: 1, BOOL: 1 }

function parseHeader(json: Uint8Array, path: string): { entries: Map<string, Entry>; metadata: Record<string, string> } {
  const header = parseJson(json, path)
  const entries = new Map<string, Entry>()
  let metadata: Record<string, string> = {}
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') metadata = Object.fromEntries(Object.entries(value ?? {}).map(([key, text]) => [key, String(text)]))
    else entries.set(name, parseEntry(name, value, path))
  }
  return { entries, metadata }
}

function parseJson(json: Uint8Array, path: string): object {
  try {
    const header: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json))
    if (typeof header === 'object' && header !== null && !Array.isArray(header)) return header
  } catch (cause) {
    throw new Error(`${path}: its header is not JSON`, { cause })
  }
  throw new Error(`${path}: its header is not a JSON object`)
}

function parseEntry(name: string, value: unknown, path: string): Entry {
  const bad = new Error(`${path}: the header of tensor ${name} is malformed`)
  if (typeof value !== 'object' || value === null || !('dtype' in value) || !('shape' in value) || !('data_offsets' in value)) throw bad
  const { dtype, shape, data_offsets: offsets } = value
  if (typeof dtype !== 'string' || !isSizes(shape) || !isSizes(offsets)) throw bad
  const [begin, end] = offsets
  const width = widths[dtype]
  if (width === undefined) throw new Error(`${path}: tensor ${name} has the unknown type ${dtype}`)
  if (begin === undefined || end === undefined || offsets.length !== 2) throw bad
  if (end - begin !== sizeOf(shape) * width) throw new Error(`${path}: tensor ${name} is ${dtype} [${shape}], which ${end - begin} bytes do not hold`)
  return { dtype, shape, begin, end }
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(size => Number.isSafeInteger(size) && size >= 0)
}

function checkLayout(entries: ReadonlyMap<string, Entry>, available: number, path: string): void {
  let end = 0
  for (const [name, entry] of [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)) {
    if (entry.end > available) throw new Error(`${path}: tensor ${name} ends at byte ${entry.end} of ${available}: the file is cut short`)
    if (entry.begin < end) throw new Error(`${path}: tensor ${name} overlaps another`)
    end = entry.end
  }
}

/** bfloat16 is the upper half of a float32. */
function fromBrainFloat(halves: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(halves, half => half << 16).buffer)
}
