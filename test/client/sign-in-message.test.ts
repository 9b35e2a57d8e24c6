import { Wallet } from 'ethers'
import fc from 'fast-check'
import { SiweMessage } from 'siwe'
import { expect, test } from 'vitest'
import { bytesOf, signInMessage } from '../../client/src/account/sign-in-message.ts'
import type { Hex } from '../../contracts/ledger/hex.ts'

const ask = {
  domain: fc.constantFrom('attune.example', 'localhost:3001', '127.0.0.1:3001', 'a.b.attune.example:8443'),
  address: fc
    .uint8Array({ minLength: 20, maxLength: 20 })
    .map((bytes): Hex => `0x${Buffer.from(bytes).toString('hex')}`),
  chainId: fc.integer({ min: 1 }),
  nonce: fc.stringMatching(/^[0-9a-z]{8,64}$/),
  statement: fc.stringMatching(/^[A-Za-z0-9 .,]{1,80}$/),
  issuedAt: fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true }),
}

test('what a wallet signs to sign in is, letter for letter, what siwe writes and reads (EIP-4361)', () => {
  fc.assert(
    fc.property(fc.record(ask), (request) => {
      const uri = `https://${request.domain}`
      const message = signInMessage({ ...request, uri })
      const issuedAt = request.issuedAt.toISOString()
      const read = new SiweMessage(message)
      expect(read).toMatchObject({ ...request, address: read.address, uri, version: '1', issuedAt })
      expect(read.address.toLowerCase()).toBe(request.address)
      expect(new SiweMessage({ ...request, address: read.address, uri, version: '1', issuedAt }).prepareMessage()).toBe(
        message,
      )
    }),
  )
})

test('a wallet that signs the bytes has signed the text', async () => {
  const wallet = Wallet.createRandom()
  const message = signInMessage({
    address: wallet.address.toLowerCase() as Hex,
    chainId: 1,
    domain: 'attune.example',
    nonce: 'abcdefgh12345678',
    uri: 'https://attune.example',
    statement: 'Sign in to Attune.',
    issuedAt: new Date(0),
  })
  const signature = await wallet.signMessage(Buffer.from(bytesOf(message).slice(2), 'hex'))
  expect((await new SiweMessage(message).verify({ signature })).success).toBe(true)
})
