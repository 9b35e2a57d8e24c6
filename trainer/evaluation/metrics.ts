/** What an evaluation reports: meaning, and after the last semicolon the unit. */
import type { Estimate, Share } from './interval.ts'

export const EVALUATION_METRICS = {
  'eval/value':
    'mean over the held-out prompts of the value that the reward model predicts of the policy’s answer, ensemble mean; 0…1',
  'eval/value_se': 'its standard error over the prompts; value',
  'eval/compassion': 'mean predicted compassion of the same answers, near ½ while no vote has rated compassion; 0…1',
  'eval/compassion_se': 'its standard error; 0…1',
  'eval/usefulness': 'mean predicted value of the same answers without compassion, of rating and categories; 0…1',
  'eval/usefulness_se': 'its standard error; 0…1',
  'eval/win_rate':
    'share of the prompts whose answer has a higher predicted value than the reference’s answer to the same prompt, a tie counting half, absent where the reference’s answers are not known; 0…1',
  'eval/win_rate_low': 'lower end of its 95 % interval, Wilson’s; 0…1',
  'eval/win_rate_high': 'upper end of its 95 % interval; 0…1',
  'eval/kl': 'mean over the answers of Σ_t log π - log π_ref; nats per response',
  'eval/kl_se': 'its standard error; nats per response',
  'eval/logprob':
    'readability, for which no judge is needed: mean over the answers of the mean of log π_ref over their tokens, low where a text is not one that the reference would write; nats per token',
  'eval/logprob_se': 'its standard error; nats per token',
  'eval/repetition': 'mean share of trigrams (of tokens) that an answer has used before; 0…1',
  'eval/truncated': 'share of the answers that were cut at the maximum length, before EOS; 0…1',
  'eval/length': 'mean length of an answer, EOS included; tokens',
  'eval/best_difference':
    'mean over the prompts of the answer’s value less that of the best evaluation before it, both by the reward model of now, absent in the first one; value',
  'eval/best_difference_se': 'its standard error; value',
  'eval/prompts': 'held-out prompts that were answered; prompts',
  'eval/seconds': 'time that the evaluation took; seconds',
} as const

export type EvaluationMetric = keyof typeof EVALUATION_METRICS

export const estimated = (
  name: 'value' | 'compassion' | 'usefulness' | 'kl' | 'logprob' | 'best_difference',
  { mean, error }: Estimate,
): Partial<Record<EvaluationMetric, number>> => ({ [`eval/${name}`]: mean, [`eval/${name}_se`]: error })

export const won = ({ share, low, high }: Share): Partial<Record<EvaluationMetric, number>> => ({
  'eval/win_rate': share,
  'eval/win_rate_low': low,
  'eval/win_rate_high': high,
})
