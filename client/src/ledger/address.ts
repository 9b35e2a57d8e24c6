/** The pages and their addresses. */
export type Page =
  | { name: 'sessions' }
  | { name: 'session'; id: string }
  | { name: 'console'; id: string | null }
  | { name: 'compare'; a: string | null; b: string | null }
  | { name: 'contributions' }
  | { name: 'epochs' }
  | { name: 'appeals' }
  | { name: 'join' }
  | { name: 'sign-in' }
  | { name: 'missing' }

export function pageOf(path: string): Page {
  const [first, second, ...rest] = path.split('/').filter(Boolean)
  if (first === 'compare' && rest.length < 2) return { name: 'compare', a: second ?? null, b: rest[0] ?? null }
  if (rest.length > 0) return { name: 'missing' }
  if (first === undefined) return { name: 'sessions' }
  if (first === 'session' && second !== undefined) return { name: 'session', id: second }
  if (first === 'console') return { name: 'console', id: second ?? null }
  if (first === 'contributions' && second === undefined) return { name: 'contributions' }
  if (first === 'epochs' && second === undefined) return { name: 'epochs' }
  if (first === 'appeals' && second === undefined) return { name: 'appeals' }
  if (first === 'join' && second === undefined) return { name: 'join' }
  if (first === 'sign-in' && second === undefined) return { name: 'sign-in' }
  return { name: 'missing' }
}
