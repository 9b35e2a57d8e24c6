/**
 * Every message that crosses the wire, as one zod schema each; the types come from the schemas
 * (rule P1). Imports only zod: the client, the server, the trainer and the scripts all read these
 * files.
 *
 * Field names are those of the seed system's API; units are in the names or
 * beside them. Scores are in [0, 1] unless a range is given.
 */
export * from './limits.ts'
export { Address, Amount, Hash, Role, Seq, SessionId, Uuid } from './pieces.ts'
export * from './vote-kinds.ts'
export * from './votes.ts'
export * from './samples.ts'
export * from './algorithms.ts'
export * from './invites.ts'
export * from './configuration.ts'
export * from './sessions.ts'
export * from './evaluations.ts'
export * from './history.ts'
export * from './events.ts'
export * from './socket.ts'
export * from './rest.ts'
export * from './models.ts'
export * from './agreement.ts'
export * from './ledger.ts'
export * from './rewards.ts'
export * from './exports.ts'
export * from './spreadsheets.ts'
export * from './export-rows.ts'
