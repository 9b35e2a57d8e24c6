import { expect, test } from 'vitest'
import { admin, call, useWorld } from './attune.ts'

const world = useWorld()

test.each<[string, string, string, unknown]>([
  [
    'a shape beyond its column',
    'POST',
    '/api/models',
    { name: 'Huge', type: 'nlp', architecture: 'x', inputShape: [2 ** 40] },
  ],
  [
    'a shape beyond its column, the other way',
    'POST',
    '/api/models',
    { name: 'Huge', type: 'nlp', architecture: 'x', outputShape: [-(2 ** 40)] },
  ],
  [
    'hyperparameters too deep to be stored',
    'POST',
    '/api/models',
    `{"name": "Deep", "type": "nlp", "architecture": "x", "hyperparameters": {"a": ${'['.repeat(9_000)}${']'.repeat(9_000)}}}`,
  ],
  [
    'a NUL in a document',
    'POST',
    '/api/models',
    { name: 'Nul', type: 'nlp', architecture: 'x', hyperparameters: { a: '\u0000' } },
  ],
  ['half a surrogate pair in a name', 'POST', '/api/models', { name: 'a\ud800', type: 'nlp', architecture: 'x' }],
  ['a step beyond its column', 'GET', '/api/metrics/demo?since=4294967296', undefined],
  ['an import of what is above', 'POST', '/api/imports', { repo: '../..' }],
  ['an import of a name without letters', 'POST', '/api/imports', { repo: '_/__' }],
  ['an import at a revision above', 'POST', '/api/imports', { repo: 'a/b', revision: '../../x' }],
])('P4: %s is 400', async (_, method, path, body) => {
  const own = await world.server()
  const boss = await admin(own)
  expect(await call(own, method, path, { token: boss.token, ...(body !== undefined && { body }) })).toMatchObject({
    status: 400,
    body: { success: false, error: 'invalid', message: expect.stringMatching(/\w/) },
  })
})

test.each<[string, object, string]>([
  [
    'whose chain is no number',
    { leafFields: { ...proof().leafFields, chainId: 'mainnet' } },
    'proof.leafFields.chainId',
  ],
  ['whose hex is malformed', { proof: ['0xzz'] }, 'proof.proof.0'],
  ['whose hex is cut', { leaf: '0x11' }, 'proof.leaf'],
  [
    'of numbers of more than 256 bits',
    { leafFields: { ...proof().leafFields, credit: '9'.repeat(78) } },
    'proof.leafFields.credit',
  ],
  ['of no address', { leafFields: { ...proof().leafFields, ledger: '0x12' } }, 'proof.leafFields.ledger'],
])('P4: a proof %s is 400, and the chain is not asked', async (_, change, path) => {
  const own = await world.server({
    BLOCKCHAIN_RPC_URL: 'http://127.0.0.1:9',
    BLOCKCHAIN_NETWORK_ID: '31337',
    CONTRACT_ADDRESS: `0x${'1'.repeat(40)}`,
  })
  expect(
    await call(own, 'POST', '/api/blockchain/verify-contribution', { body: { proof: { ...proof(), ...change } } }),
  ).toMatchObject({ status: 400, body: { error: 'invalid', path } })
})

/** A proof that is well-formed, and of nothing. */
function proof() {
  const hash = `0x${'1'.repeat(64)}`
  const address = `0x${'aB'.repeat(20)}`
  const leafFields = {
    chainId: '31337',
    ledger: address,
    epochId: '1',
    index: '0',
    session: hash,
    contributor: hash,
    kind: 1,
    credit: '100',
    recordHash: hash,
  }
  return {
    epochId: 1,
    leaf: hash,
    leafFields,
    proof: [hash],
    root: hash,
    contract: address,
    chainId: 31337,
    txHash: hash,
  }
}
