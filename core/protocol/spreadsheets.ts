/**
 * What a spreadsheet takes for a formula: OWASP's first characters (CSV injection) and their full-width forms, also
 * behind blanks and invisible characters, which some programs skip, and behind apostrophes that stand there already.
 */
const FORMULA = /^'*(?:[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠]|[\t\r\n])/u

/** Whether a spreadsheet would compute a cell's text instead of showing it. */
export const isFormula = (text: string): boolean => FORMULA.test(text)

/** A text that a spreadsheet shows as it is: an apostrophe precedes what it would compute. */
export const neutralised = (text: string): string => (isFormula(text) ? `'${text}` : text)
