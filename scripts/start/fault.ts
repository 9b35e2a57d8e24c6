/**
 * A failure that a person can act on: the message says what is wrong and what
 * to do. The command line prints it as one line and no stack.
 */
export class StartFault extends Error {
  override name = 'StartFault'
}

export function errorText(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(errorText).join('; ')
  return error instanceof Error ? error.message : String(error)
}

export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
