import { expect, test } from 'vitest'
import type { Download } from '../../core/protocol/index.ts'
import { packModel, type Packing } from '../../client/src/console/models/model-download.ts'

const preparing: Download = {
  ...{ downloadId: 'a/model:fp32:none', status: 'preparing', estimatedTime: 4 },
  ...{ url: null, sha256: null, bytes: null, error: null },
}

/** A server that answers so, one after the other. */
function server(...answers: Download[]) {
  const asked: string[] = []
  const waited: number[] = []
  const packing: Packing = {
    call: <T>(method: string, path: string) => {
      asked.push(`${method} ${path}`)
      return Promise.resolve(answers.shift() as T)
    },
    pause: () => Promise.resolve(),
    onwait: (seconds) => waited.push(seconds),
  }
  return { asked, waited, packing }
}

test('a model is asked for once, and then whether it is packed, until it is', async () => {
  const ready: Download = { ...preparing, status: 'ready', estimatedTime: 0, url: '/there', bytes: 12 }
  const { asked, waited, packing } = server(preparing, { ...preparing, estimatedTime: 2 }, ready)
  expect(await packModel('a/model', packing)).toEqual({ url: '/there', bytes: 12 })
  const status = 'GET /api/weights/downloads/a%2Fmodel%3Afp32%3Anone/status'
  expect(asked).toEqual(['POST /api/weights/models/a%2Fmodel/download', status, status])
  expect(waited).toEqual([4, 2])
})

test('one that can’t be packed says why', async () => {
  const { packing } = server(preparing, { ...preparing, status: 'failed', error: 'the disk is full' })
  await expect(packModel('a/model', packing)).rejects.toThrow('the disk is full')
})

test('nobody asks on for somebody who has left', async () => {
  const { asked, packing } = server(preparing, preparing)
  const left = { ...packing, pause: () => Promise.reject(new Error('left')) }
  await expect(packModel('a/model', left)).rejects.toThrow('left')
  expect(asked).toHaveLength(1)
})
