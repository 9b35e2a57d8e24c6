/** Bytes as 0x-prefixed hexadecimal digits. */
export type Hex = `0x${string}`

/** An account or a contract: 20 bytes. */
export type Address = Hex
