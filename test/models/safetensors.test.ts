import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { fromHalf, toHalf } from '../../lm/files/half.ts'
import { openSafetensors, writeSafetensors } from '../../lm/files/safetensors-file.ts'
import { encodeSafetensors, parseSafetensors, type NamedTensor } from '../../lm/files/safetensors.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'safetensors-'))
})
afterAll(() => rm(directory, { recursive: true }))

describe('safetensors', () => {
  test('what is written is read back bit for bit', () => {
    const float = fc
      .array(fc.float({ noNaN: true }), { maxLength: 20 })
      .map((values) => ({ shape: [values.length], data: Float32Array.from(values) }))
    const int = fc
      .array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { maxLength: 20 })
      .map((values) => ({ shape: [values.length, 1], data: Int32Array.from(values) }))
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string({ minLength: 1 }).filter((name) => name !== '__metadata__' && name !== '__proto__'),
          fc.oneof(float, int),
        ),
        (tensors) => {
          const named = new Map<string, NamedTensor>(Object.entries(tensors))
          const file = parseSafetensors(encodeSafetensors('f', named), 'f')
          expect([...file.names].sort()).toEqual([...named.keys()].sort())
          for (const [name, tensor] of named)
            expect(tensor.data instanceof Float32Array ? file.float32(name) : file.int32(name)).toEqual(tensor)
        },
      ),
    )
  })

  test('a half-precision file holds each value rounded to the nearest half', async () => {
    const path = join(directory, 'half.safetensors')
    await writeSafetensors(path, new Map([['x', [2, 2]]]), () => Float32Array.of(1, 0.1, -65504, 1e-7), {
      dtype: 'F16',
    })
    expect(Array.from((await openSafetensors(path)).float32('x').data)).toEqual([1, 0.0999755859375, -65504, 2 ** -23])
  })

  test('every half survives the way to float32 and back', () => {
    const finite = Uint16Array.from({ length: 65536 }, (_, i) => i).filter((half) => ((half >> 10) & 31) !== 31)
    expect(toHalf(fromHalf(finite))).toEqual(finite)
    expect(Array.from(toHalf(Float32Array.of(Infinity, -1e9, NaN, 65519, 65520)))).toEqual([
      0x7c00, 0xfc00, 0x7e00, 0x7bff, 0x7c00,
    ])
  })

  test('a value becomes the half that is nearest', () => {
    const halves = fromHalf(Uint16Array.from({ length: 0x7c00 }, (_, i) => i)) // 0 to 65504, in order
    fc.assert(
      fc.property(fc.float({ min: 0, max: 65504, noNaN: true }), (value) => {
        const [mirrored = NaN, found = NaN] = [-value, value].map((signed) =>
          Math.abs(fromHalf(toHalf(Float32Array.of(signed)))[0] ?? NaN),
        )
        const near = halves.reduce((best, half) => (Math.abs(half - value) < Math.abs(best - value) ? half : best), 0)
        expect(Math.abs(found - value)).toBe(Math.abs(near - value))
        expect(mirrored).toBe(found)
      }),
      { numRuns: 200 },
    )
  })

  test('a value halfway between two halves goes to the even one', () => {
    expect(Array.from(fromHalf(toHalf(Float32Array.of(1 + 2 ** -11, 1 + 3 * 2 ** -11, 2 ** -25))))).toEqual([
      1,
      1 + 2 ** -9,
      0,
    ])
  })

  test('bfloat16 is read as the upper half of float32', () => {
    const bytes = fileWith('{"x":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}', [0xc0, 0x3f, 0x49, 0x40])
    expect(Array.from(parseSafetensors(bytes, 'f').float32('x').data)).toEqual([1.5, 3.140625])
  })

  test('a file written tensor by tensor is the one that its bytes in memory make, and is read tensor by tensor', async () => {
    const path = join(directory, 'streamed.safetensors')
    const values = new Map([
      ['b', { shape: [3], data: Float32Array.of(1, 2, 3) }],
      ['a', { shape: [], data: Float32Array.of(4) }],
      ['c', { shape: [0, 2], data: new Float32Array(0) }],
    ])
    await writeSafetensors(
      path,
      new Map([...values].map(([name, { shape }]) => [name, shape])),
      (name) => values.get(name)?.data ?? new Float32Array(0),
    )
    expect(new Uint8Array(await readFile(path))).toEqual(encodeSafetensors(path, values))
    const file = await openSafetensors(path)
    for (const [name, tensor] of values) expect(file.float32(name)).toEqual(tensor)
    await writeFile(path, (await readFile(path)).subarray(0, -1))
    expect(() => file.float32('b')).toThrow('it was truncated after it was opened')
    await expect(openSafetensors(path)).rejects.toThrow('tensor b ends at byte 16 of 15: the file is truncated')
  })

  test('a failed write leaves the old file and no other', async () => {
    const path = join(directory, 'old.safetensors')
    const one = () => Float32Array.of(1)
    await writeSafetensors(path, new Map([['x', [1]]]), one)
    const before = await readFile(path)
    await expect(writeSafetensors(path, new Map([['x', [3]]]), one)).rejects.toThrow('tensor x [3] has 1 values')
    await expect(writeSafetensors(join(directory, 'missing', 'x'), new Map([['x', [1]]]), one)).rejects.toThrow(
      'ENOENT',
    )
    expect(await readFile(path)).toEqual(before)
    expect((await readdir(directory)).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })
})

describe('a corrupt file is refused by name', () => {
  const whole = encodeSafetensors(
    'f',
    new Map([
      ['a', { shape: [2], data: Float32Array.of(1, 2) }],
      ['b', { shape: [1], data: Float32Array.of(3) }],
    ]),
  )
  const header = (json: string): Uint8Array => fileWith(json, new Array<number>(8).fill(0))
  test.each([
    ['too short for a header', whole.slice(0, 5), 'some/path: 5 bytes are too short'],
    ['a header longer than the file', whole.slice(0, 40), 'some/path: its header claims'],
    ['cut short', whole.slice(0, -1), 'some/path: tensor b ends at byte 12 of 11'],
    ['no JSON', header('{"a":'), 'some/path: its header is not JSON'],
    ['a list for a header', header('[]'), 'some/path: its header is not a JSON object'],
    [
      'an entry without a shape',
      header('{"a":{"dtype":"F32","data_offsets":[0,4]}}'),
      'some/path: the header of tensor a is malformed',
    ],
    [
      'a negative size',
      header('{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}'),
      'some/path: the header of tensor a is malformed',
    ],
    [
      'an unknown type',
      header('{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,4]}}'),
      'some/path: tensor a has the unknown type F4',
    ],
    [
      'a shape of another size',
      header('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}'),
      'some/path: tensor a is F32 [2], which does not match its 4 bytes',
    ],
    ['bytes after the last tensor', Uint8Array.of(...whole, 0), 'some/path: 1 bytes follow its last tensor'],
    [
      'bytes that no tensor has',
      header('{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}'),
      'some/path: 4 bytes before tensor a belong to no tensor',
    ],
    [
      'overlapping tensors',
      header(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}',
      ),
      'some/path: tensor b overlaps another',
    ],
  ])('%s', (_, bytes, message) => {
    expect(() => parseSafetensors(bytes, 'some/path')).toThrow(message)
  })

  test('a missing tensor and one of another kind', () => {
    const file = parseSafetensors(whole, 'some/path')
    expect(() => file.float32('c')).toThrow('some/path: no tensor c')
    expect(() => file.int32('a')).toThrow('some/path: tensor a is F32, not integers')
  })
})

/** A file with this header and these bytes after it. */
function fileWith(json: string, data: readonly number[]): Uint8Array {
  const text = new TextEncoder().encode(json)
  const bytes = Uint8Array.from([...new Array<number>(8).fill(0), ...text, ...data])
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true)
  return bytes
}
