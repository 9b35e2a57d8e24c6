import { mkdir, mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CheckpointLost, newestReadable, openCheckpoints, type Checkpoint } from '../../trainer/loop/checkpoint.ts'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'attune-checkpoint-'))
})
afterAll(() => rm(dir, { recursive: true }))

let count = 0
const freshStore = () => {
  const place = join(dir, String(count++))
  return { place, store: openCheckpoints(place) }
}
const checkpoint = (step: number): Checkpoint => ({
  tensors: new Map([['policy/w', { shape: [2, 2], data: Float32Array.of(step, -0, 1e-45, Math.fround(0.1)) }]]),
  state: { step, kl: 0.1 + 0.2 },
})

describe('a checkpoint', () => {
  it('is named by the hash of its bytes and read back as it was, to the bit', async () => {
    const { place, store } = freshStore()
    const hash = await store.save(checkpoint(7))
    expect(await readdir(place)).toEqual([`${hash}.safetensors`])
    expect(await store.load(hash)).toEqual(checkpoint(7))
    expect(await store.save(checkpoint(7))).toBe(hash)
  })

  it('that is missing, cut short or changed is lost, and said to be so', async () => {
    const { place, store } = freshStore()
    const [cut, other] = [await store.save(checkpoint(1)), await store.save(checkpoint(2))]
    await truncate(join(place, `${cut}.safetensors`), 40)
    await expect(store.load(cut)).rejects.toThrow(/its file is damaged/)
    await rm(join(place, `${other}.safetensors`))
    await expect(store.load(other)).rejects.toThrow(/its file is missing/)
    await expect(store.load(other)).rejects.toThrow(CheckpointLost)
  })

  it('that this process may not read is not taken for lost', async () => {
    const { place, store } = freshStore()
    await mkdir(join(place, 'abc.safetensors'), { recursive: true })
    await expect(store.load('abc')).rejects.toThrow(/EISDIR/)
    await expect(newestReadable(store, [{ step: 1, checkpoint: 'abc' }])).rejects.toThrow(/EISDIR/)
  })

  it('goes when nothing keeps it, with what was left of interrupted writing, and with nothing else', async () => {
    const { place, store } = freshStore()
    const hashes = [await store.save(checkpoint(1)), await store.save(checkpoint(2)), await store.save(checkpoint(3))]
    await writeFile(join(place, `${hashes[0]}.safetensors.4711.tmp`), 'half')
    await writeFile(join(place, 'notes.txt'), 'mine')
    await store.prune(hashes.slice(1))
    expect((await readdir(place)).sort()).toEqual(
      [...hashes.slice(1).map((hash) => `${hash}.safetensors`), 'notes.txt'].sort(),
    )
  })
})

describe('where a run goes on from', () => {
  it('is the newest checkpoint that can be read, and it is said what was not', async () => {
    const { place, store } = freshStore()
    const committed = []
    for (const step of [3, 2, 1]) committed.push({ step, checkpoint: await store.save(checkpoint(step)) })
    expect(await newestReadable(store, committed)).toEqual({ step: 3, checkpoint: checkpoint(3), lost: [] })
    await rm(join(place, `${committed[0]!.checkpoint}.safetensors`))
    expect(await newestReadable(store, committed)).toEqual({
      step: 2,
      checkpoint: checkpoint(2),
      lost: [{ step: 3, reason: 'its file is missing' }],
    })
    await rm(place, { recursive: true })
    expect(await newestReadable(store, committed)).toMatchObject({
      step: 0,
      checkpoint: null,
      lost: [{ step: 3 }, { step: 2 }, { step: 1 }],
    })
    expect(await newestReadable(store, [])).toEqual({ step: 0, checkpoint: null, lost: [] })
  })
})
