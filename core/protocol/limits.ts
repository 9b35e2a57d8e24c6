/** Every limit of the wire, with its unit. */
import { fileLimits } from '../../lm/files/limits.ts'

export const limits = {
  /** Largest socket message or JSON body, bytes. */
  messageBytes: 64 * 1024,
  /** Lists and objects within each other in what a client sends, at most so deep. */
  nesting: 32,
  /** Largest file of a model's prompts, bytes. */
  promptFileBytes: fileLimits.prompts,
  /** Longest prompt a rater may ask, characters. */
  promptChars: 400,
  /** Longest comment, characters. */
  commentChars: 2_000,
  /** Longest reason for excluding a rater, characters. */
  reasonChars: 500,
  /** Longest text that a vote may carry (inputText, modelResponse), characters. */
  textChars: 8_000,
  /** Most categories, tags or concerns on one vote. */
  listItems: 16,
  /** A vote can be withdrawn for this long, milliseconds (rule V5). The trainer uses no younger vote. */
  withdrawMs: 10_000,
  /**
   * A vote begun while voting on its sample was open is on time if it is cast within this, milliseconds from its begin.
   */
  voteBegunMs: 120_000,
  /** A step's voting stays open for begun votes at most this much longer, milliseconds. */
  closingHoldMs: 10_000,
  /** Votes that one person may have begun in a session and not cast, within `voteBegunMs`. */
  votesBegun: 3,
  /** Who has left this many begun votes uncast within an hour holds no closing: others don't wait for them. */
  holdsLeft: 3,
  /** Socket events a connection may send: this many at once, refilled at this rate (events per second). */
  socketBurst: 60,
  socketPerSecond: 20,
  /** Socket events a person may send over all their connections, likewise. */
  personBurst: 120,
  personPerSecond: 40,
  /** REST requests from one address: this many at once, refilled at this rate (requests per second). */
  restBurst: 240,
  restPerSecond: 60,
  /** Requests for the page and its files from one address, likewise: a full classroom loads them at once. */
  pageBurst: 3_000,
  pagePerSecond: 50,
  /** Requests for /health from one address, likewise. */
  healthBurst: 120,
  healthPerSecond: 30,
  /**
   * Keys (addresses, people) whose requests are counted, at most; the one that was quiet longest is forgotten first.
   */
  countedKeys: 100_000,
  /** /health and the status page look at the parts no oftener than this, milliseconds. */
  healthMs: 1_000,
  /** A connection has this long to send a request's headers, milliseconds … */
  headersMs: 10_000,
  /** … and this long for the body. An upload may take longer: it has to bring so many bytes in each `uploadMs`. */
  bodyMs: 10_000,
  uploadMs: 30_000,
  uploadBytes: 4 * 1024,
  /** An answer of which nothing could be sent for so long is given up, milliseconds. */
  drainMs: 60_000,
  /** An idle connection is kept for the next request so long, milliseconds. */
  keepAliveMs: 5_000,
  /** A socket has this long to say who it is, milliseconds … */
  handshakeMs: 10_000,
  /** … and this long to send its first event. */
  silentMs: 300_000,
  /**
   * Messages that wait for a socket that reads too slowly, at most: it is then closed, and catches up when it comes
   * back.
   */
  unreadMessages: 2_000,
  /** A client whose socket was refused for there being too many is to wait so long, seconds. */
  refusedSeconds: 15,
  /** Samples or votes on one page of a listing, at most. */
  pageItems: 200,
  /** What a room's votes came to is told this often, milliseconds, however many there were. */
  tallyMs: 200,
  /** With more sockets than this at a server a room is full: what is being written is told once a tick, too. */
  fullRoom: 50,
  /** `sample-tokens` messages of one sample, at most this many a second. */
  tokenMessagesPerSecond: 20,
  /** What a room's snapshots have in common is read once in so long, milliseconds. */
  snapshotMs: 1_000,
  /** Steps of metrics in a snapshot, the latest ones. */
  snapshotSteps: 500,
  /** Samples in a snapshot, the latest ones. */
  snapshotSamples: 60,
  /** Warnings of a run in a snapshot, the latest ones. */
  snapshotWarnings: 20,
  /** What rating an answer may be said to take, seconds: at least, at most, and where a session says nothing else. */
  secondsPerAnswer: { least: 1, most: 60, usual: 6 },
} as const

export const rewardLimits = {
  /** Longest statement of an appeal, and longest reason of a decision, characters. */
  statementChars: 1_000,
  /** Appeals of one person that may wait for a decision at a time. */
  openAppeals: 20,
  /** Claims of one person that are relayed in a day. */
  relayedPerDay: 5,
  /** Claims that are relayed in an hour, of everybody. */
  relayedPerHour: 60,
  /** Longest reason of a dispute of an epoch, characters. */
  reasonChars: 1_000,
  /** How far ahead a relayed claim's deadline is, seconds: at least, and at most. */
  relayAheadSeconds: { least: 60, most: 86_400 },
} as const
