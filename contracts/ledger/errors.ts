/** What can go wrong between the log and the ledger. */
export type LedgerErrorCode =
  | 'ledger-missing' // no contract code at the address: wrong address, or the chain was reset
  | 'wrong-chain' // the node serves another chain than the one the epochs are built for
  | 'unsupported-chain' // the chain does not run what the contracts are compiled to
  | 'unreachable' // the node does not answer
  | 'reverted' // the contract refused a transaction
  | 'fee-too-high' // the network asks for more than the cap; epochs wait
  | 'epoch-mismatch' // the chain holds other content under an epoch's id
  | 'ledger-ahead' // the chain holds epochs that the store does not know
  | 'confirmation-timeout' // sent, but not confirmed in time; the next call looks again
  | 'record-twice' // rule C1: a record is already in an epoch
  | 'bad-record' // a record that has no canonical form
  | 'bad-manifest' // a manifest that does not parse

/** The one error class of `contracts/`; `code` says which, the message says what to do. */
export class LedgerError extends Error {
  override readonly name = 'LedgerError'
  readonly code: LedgerErrorCode

  constructor(code: LedgerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
