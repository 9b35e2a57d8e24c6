/** `1 / (1 + e^-x)` */
export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))

/** `log(1 + e^x)`, that is `-log σ(-x)`, without overflow. */
export const softplus = (x: number): number => Math.max(0, x) + Math.log1p(Math.exp(-Math.abs(x)))
