/** What trains, where a run has several tastes: the largest; each by its people; or the one that likes an answer least. */
export const tasteModes = ['majority', 'proportional', 'worst-off'] as const
export type TasteMode = (typeof tasteModes)[number]
