import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'

/** Encrypts personal data at rest (rule S4). */
export interface Seal {
  seal: (plain: string) => Buffer
  /** @throws Error if the bytes were changed or sealed with another key */
  open: (sealed: Buffer) => string
  /** A keyed hash, to recognise what need not be read again: without the key nobody can test guesses of its input. */
  digest: (purpose: string, text: string) => Buffer
}

/**
 * AES-256-GCM; what is stored is nonce (12 bytes) · tag (16) · ciphertext. Digests are HMAC-SHA256. `keyHex`: 32 bytes
 * in hex.
 */
export function createSeal(keyHex: string): Seal {
  const key = Buffer.from(keyHex, 'hex')
  return {
    seal(plain) {
      const nonce = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', key, nonce)
      const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()])
      return Buffer.concat([nonce, cipher.getAuthTag(), body])
    },
    open(sealed) {
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12), { authTagLength: 16 })
      decipher.setAuthTag(sealed.subarray(12, 28))
      return Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]).toString('utf8')
    },
    digest: (purpose, text) => createHmac('sha256', key).update(`${purpose}\0${text}`).digest(),
  }
}
