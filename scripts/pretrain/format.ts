/**
 * The one definition of what the demo model reads and writes:
 *
 *     Person: {prompt}\nReply: {answer}<|endoftext|>
 *
 * The model is given everything up to and including "Reply:"; the answer begins with a space.
 * The same is stored as `chat_template` in models/demo/tokenizer_config.json, from which the trainer reads it.
 */
export const EOS = '<|endoftext|>'

/** In the Jinja form that Hugging Face tokenizers use. */
export const CHAT_TEMPLATE =
  "{% for m in messages %}{% if m.role == 'user' %}Person: {{ m.content }}\nReply:{% else %} {{ m.content }}<|endoftext|>{% endif %}{% endfor %}"

/** What the model reads before it answers. */
export function promptText(prompt: string): string {
  return `Person: ${prompt.trim()}\nReply:`
}

/** A whole exchange as the model is pretrained on it. */
export function exchangeText(prompt: string, answer: string): string {
  return `${promptText(prompt)} ${answer}${EOS}`
}
