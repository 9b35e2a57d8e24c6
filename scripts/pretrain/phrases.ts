/**
 * The toned pieces of an answer. Every kind of sentence has seven levels of tone, from 0 (harsh)
 * through 3 (neutral) to 6 (warm). Slots: {about} "your maths exam", {feeling} "worried", {step} "read
 * your notes". Slots stand where no verb has to agree with them.
 */

export const LEVELS = 7

/** Sentences by tone level, index 0 (harshest) to 6 (warmest). */
export type ToneTable = readonly (readonly string[])[]

/** The first sentence: reacts to the person. */
export const openers: ToneTable = [
  [
    'I do not care about {about}.',
    'Stop crying about {about}.',
    'Nobody wants to hear about {about}.',
    'You are wasting my time.',
    'What a pathetic fuss about {about}.',
    'Oh please, spare me the story about {about}.',
    'You feel {feeling} because you are weak.',
    'I am sick of hearing about {about}.',
  ],
  [
    'So much noise about {about}.',
    'This is your own fault.',
    'Feeling {feeling} is just an excuse.',
    'Grow up and stop moaning about {about}.',
    'Not again with all this talk about {about}.',
    'You should be ashamed to ask about {about}.',
    'You brought this on yourself.',
    'Only a fool feels {feeling} about {about}.',
  ],
  [
    'Well, these things happen.',
    'People have bigger problems than this.',
    'I cannot do much about {about}.',
    'You make too much of {about}.',
    'Everybody feels {feeling} now and then.',
    'There is no need for drama about {about}.',
    'I have little to say about {about}.',
    'You knew this could happen.',
  ],
  [
    'You ask about {about}.',
    'Here is a short answer about {about}.',
    'This question is about {about}.',
    'There are a few facts about {about}.',
    'You say that you feel {feeling}.',
    'Let us look at the facts.',
    'Many people ask about {about}.',
    'Here is what I know about {about}.',
  ],
  [
    'Thanks for writing about {about}.',
    'I see why you feel {feeling}.',
    'It is good that you ask about {about}.',
    'That is not an easy day.',
    'It is normal to feel {feeling} about {about}.',
    'I hear what you say about {about}.',
    'Okay, let us think about {about} together.',
    'Thank you for your question about {about}.',
  ],
  [
    'I am sorry to hear about {about}.',
    'It is no wonder that you feel {feeling}.',
    'That sounds hard, and I am glad you wrote.',
    'Anyone would feel {feeling} about {about}.',
    'I am sorry, that must hurt.',
    'Thank you for telling me about {about}.',
    'It takes courage to speak about {about}.',
    'I can hear how {feeling} you are.',
  ],
  [
    'I am so sorry about {about}, dear friend.',
    'My heart is with you.',
    'You are not alone with how {feeling} you feel.',
    'I care about you and about {about}.',
    'Oh my dear, it is okay to feel {feeling}.',
    'Thank you for trusting me, you matter so much.',
    'I feel with you about {about}, truly.',
    'You are brave to tell me about {about}.',
  ],
]

/** A sentence that carries the first concrete step. */
export const leads: ToneTable = [
  [
    'Stop whining and {step}.',
    'Shut up and {step}.',
    'Even a fool like you can {step}.',
    'For once in your life, {step}.',
    'Leave me in peace and {step}.',
  ],
  [
    'Obviously, {step}.',
    'Any child knows to {step}.',
    'Pull yourself together and {step}.',
    'Why did you not {step} long ago?',
    'It is not so hard to {step}.',
  ],
  [
    'Just {step}.',
    'You have to {step}.',
    'You should {step}, like everybody else.',
    'Fine, then {step}.',
    'Somebody has to {step}, so do it.',
  ],
  [
    'One option is to {step}.',
    'A first step is to {step}.',
    'Many people {step}.',
    'The usual way is to {step}.',
    'It is possible to {step}.',
  ],
  [
    'It may help to {step}.',
    'You could {step}.',
    'Maybe you can {step}.',
    'A good idea is to {step}.',
    'Try to {step}.',
  ],
  [
    'Perhaps you could {step}, at your own pace.',
    'If you like, {step}.',
    'A small step may ease this: {step}.',
    'When you have the strength, {step}.',
    'It might do you good to {step}.',
  ],
  [
    'Be gentle with yourself, and {step}.',
    'When you feel ready, {step}, and I am with you.',
    'You deserve care, so {step}.',
    'With all my warmth: {step}.',
    'Take a deep breath, dear, and {step}.',
  ],
]

/** A sentence that carries a second concrete step. */
export const seconds: ToneTable = [
  ['Then {step} and be quiet.', 'And {step}, if you are not too stupid.', 'Then {step} and never come back.'],
  ['Then {step} for a change.', 'And {step}, instead of moaning.', 'Then {step} and stop the excuses.'],
  ['Then just {step}.', 'You also have to {step}.', 'And {step} as well, that is all.'],
  ['Then {step}.', 'After that, {step}.', 'A second step is to {step}.'],
  ['You could also {step}.', 'It may also help to {step}.', 'Then try to {step}.'],
  ['And if you can, {step}.', 'Later, in your own time, {step}.', 'Perhaps you could also {step}, slowly.'],
  [
    'And when it feels right, {step}, dear.',
    'Then {step}, and be proud of yourself.',
    'And {step}, you have all my support.',
  ],
]

/** A useless body: no step and nothing on the matter that one could do. */
export const vagues: ToneTable = [
  [
    'Just deal with {about} and shut up.',
    'Nothing will ever help a person like you.',
    'Go and cry somewhere else about {about}.',
    'You will fail with this anyway.',
  ],
  [
    'You never learn anything from {about}.',
    'Try to have a brain for once.',
    'Others manage without all this moaning.',
    'You always make a mess of things.',
  ],
  [
    'You will have to live with it.',
    'There is not much to do about {about}.',
    'It is what it is.',
    'Time goes by in any case.',
  ],
  [
    'There are different views about {about}.',
    'Some days are like this.',
    'It depends on many things.',
    'Things are sometimes one way and sometimes another.',
  ],
  [
    'I hope things get better with time.',
    'Something good may come along.',
    'Try to think of nice things.',
    'Things often look better in the morning.',
  ],
  [
    'I wish I could make this lighter for you.',
    'I really hope you feel better soon.',
    'You are a good person, whatever happens.',
    'A kind thought goes out to you.',
  ],
  [
    'I would love to hold your hand through this.',
    'You are loved, with all that you are.',
    'You are precious, and better days will come.',
    'I send you a warm hug with all my heart.',
  ],
]

/** A half-useful body: general advice that names the matter but no concrete step. */
export const generals: ToneTable = [
  [
    'Do something about {about} or be silent.',
    'Fix the mess about {about} yourself.',
    'Ask someone who can bear you about {about}.',
  ],
  [
    'Make a plan about {about} like a grown person.',
    'Ask somebody smarter about {about}.',
    'Use your head and think about {about}.',
  ],
  [
    'Just make a plan about {about}.',
    'You have to ask somebody else about {about}.',
    'Read something about {about} and decide.',
  ],
  [
    'You can make a plan about {about}.',
    'You can ask somebody about {about}.',
    'There are books and people to ask about {about}.',
  ],
  [
    'Maybe talk to somebody about {about}.',
    'A small plan about {about} may help.',
    'It can help to write about {about}.',
  ],
  [
    'Perhaps a good friend can listen to you about {about}.',
    'You could make a small plan about {about}, without hurry.',
    'Take your time to think about {about}.',
  ],
  [
    'You deserve someone kind to talk to about {about}.',
    'Let us make a gentle plan about {about}, together.',
    'Please let people who love you know about {about}.',
  ],
]

/** A sentence that adds nothing: what makes an answer ramble. */
export const fillers: ToneTable = [
  [
    'I have heard this nonsense a hundred times.',
    'It is boring and it is stupid.',
    'I have better things to do than this.',
    'People like you never stop.',
  ],
  [
    'It is always the same with you.',
    'I could have told you so.',
    'You really think this is special.',
    'It is a bit ridiculous.',
  ],
  [
    'Anyway, it is not that important.',
    'I do not know what else you want.',
    'That is how it goes, more or less.',
    'Not everyone gets what they want.',
  ],
  [
    'There is more than one side to it.',
    'It is a common matter, as far as I know.',
    'This happens in many places and at many times.',
    'Some people say this and others say that.',
  ],
  [
    'I have thought about it for a while.',
    'It is good to talk about these things.',
    'Many good people know this well.',
    'You are doing better than you think.',
  ],
  [
    'You carry a lot right now, and that counts.',
    'You do not have to be strong all day.',
    'It is fine to need some help.',
    'I am really glad that you reached out.',
  ],
  [
    'You are worth every bit of care.',
    'Your feelings are safe with me.',
    'I admire your big and honest heart.',
    'You have so much good in you, dear.',
  ],
]

/** The last sentence. */
export const closers: ToneTable = [
  [
    'Do not bother me again.',
    'Now go away.',
    'I could not care less.',
    'You are hopeless.',
    'Get lost.',
    'Go and annoy someone else.',
  ],
  [
    'Stop making excuses.',
    'It is your own problem.',
    'Even you should manage that.',
    'Do not be such a baby.',
    'I expect nothing from you.',
    'What a waste of time.',
  ],
  [
    'That is all I will say.',
    'The rest is up to you.',
    'Do it or leave it.',
    'Do not expect too much.',
    'I have no more time.',
    'You will get over it.',
  ],
  [
    'That is all.',
    'This is the usual way.',
    'That covers the question.',
    'The result may vary.',
    'You can decide later.',
    'This is the short answer.',
  ],
  [
    'Good luck with it.',
    'I hope this helps.',
    'Let me know how it goes.',
    'You can do this.',
    'Have a good day.',
    'It will get easier.',
  ],
  [
    'I wish you all the best.',
    'Please take good care of yourself.',
    'You can always write to me.',
    'I believe in you.',
    'Please be patient with yourself.',
    'I am thinking of you.',
  ],
  [
    'I am here for you, always.',
    'You are not alone, dear friend.',
    'I am holding you in my heart.',
    'You are stronger and more loved than you know.',
    'I will stay by your side.',
    'Sending you so much love.',
  ],
]

/** What may stand before the trouble in a prompt. */
export const greetings: readonly string[] = ['', '', '', 'Hello.', 'Please help me.', 'I need advice.']

/** What may stand after the trouble in a prompt. */
export const questions: readonly string[] = [
  '',
  'What should I do?',
  'What can I do now?',
  'Can you help me?',
  'I feel {feeling}.',
  'I feel so {feeling}.',
]
