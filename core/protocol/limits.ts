/** Every limit of the protocol, with its unit. */
import { fileLimits } from '../../lm/files/limits.ts'

export const limits = {
  /** Largest socket message or JSON body, bytes. */
  messageBytes: 64 * 1024,
  /** Deepest nesting of lists and objects in what a client sends. */
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
   * A vote begun while voting on its sample was open is on time if it is cast within this, milliseconds from its
   * beginning.
   */
  voteBegunMs: 120_000,
  /** A step's voting stays open for begun votes at most this much longer, milliseconds. */
  closingHoldMs: 10_000,
  /** Votes that one person may have begun in a session and not cast, within `voteBegunMs`. */
  votesBegun: 3,
  /**
   * Whoever has left this many begun votes uncast within an hour no longer delays a closing: others don't wait for
   * them.
   */
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
  /** Most keys (addresses, people) whose requests are counted; the least recently used is evicted first. */
  countedKeys: 100_000,
  /** /health and the status page check the parts at most this often, milliseconds. */
  healthMs: 1_000,
  /** A connection has this long to send a request's headers, milliseconds … */
  headersMs: 10_000,
  /** … and this long for the body. An upload may take longer: it must send this many bytes in each `uploadMs`. */
  bodyMs: 10_000,
  uploadMs: 30_000,
  uploadBytes: 4 * 1024,
  /** A response of which nothing could be sent for this long is aborted, milliseconds. */
  drainMs: 60_000,
  /** An idle connection is kept alive this long for the next request, milliseconds. */
  keepAliveMs: 5_000,
  /** A socket has this long to authenticate, milliseconds … */
  handshakeMs: 10_000,
  /** … and this long to send its first event. */
  silentMs: 300_000,
  /**
   * Most messages queued for a socket that reads too slowly: beyond that it is closed, and catches up when it
   * reconnects.
   */
  unreadMessages: 2_000,
  /** A client whose socket was refused because there are too many must wait this long, seconds. */
  refusedSeconds: 15,
  /** Most samples or votes on one page of a listing. */
  pageItems: 200,
  /** A room's vote tallies are broadcast this often, milliseconds, however many votes there were. */
  tallyMs: 200,
  /** With more sockets than this at a server a room is full: streamed text is broadcast once a tick, too. */
  fullRoom: 50,
  /** Most `sample-tokens` messages of one sample per second. */
  tokenMessagesPerSecond: 20,
  /** The shared part of a room's snapshots is read at most once in this time, milliseconds. */
  snapshotMs: 1_000,
  /** Steps of metrics in a snapshot, the latest ones. */
  snapshotSteps: 500,
  /** Samples in a snapshot, the latest ones. */
  snapshotSamples: 60,
  /** Warnings of a run in a snapshot, the latest ones. */
  snapshotWarnings: 20,
  /** Most prompts of an evaluation; each is answered, and its answers are stored. */
  evaluationPrompts: 256,
  /** Longest answer that is stored of an evaluation, characters; the rest is cut off. */
  evaluationAnswerChars: 4_000,
  /** Evaluations in a snapshot, the latest ones. */
  snapshotEvaluations: 200,
  /** Longest title of a run, characters. */
  titleChars: 120,
  /** Most people whom one invitation may let in. */
  inviteCap: 10_000,
  /** Longest life of an invitation, hours. */
  inviteHours: 24 * 366,
  /** Invitations of one session. */
  invites: 200,
  /** Longest token that is looked up, characters; real ones have 43. */
  inviteTokenChars: 100,
  /** Everybody in a room is checked for whether they may still be there at least this often, milliseconds. */
  admittanceMs: 30_000,
  /** Exports that one server sends at a time: each holds a connection to the database. */
  exportsAtOnce: 2,
  /** An export takes at most this long, milliseconds: its snapshot keeps the database from tidying up. */
  exportMs: 2 * 3_600_000,
  /** Rows that an export reads at a time. */
  exportPageRows: 500,
  /** Votes that an export weighs together; in a longer run half of them are those before the ones at hand. */
  exportWeighedVotes: 5_000,
  /** A row group of an exported Parquet file ends with this many rows … */
  exportGroupRows: 5_000,
  /** … or this many characters of text. */
  exportGroupChars: 8_000_000,
  /** Longest statement of consent in an export's card, characters. */
  consentChars: 1_000,
  /** The configurable time that rating an answer takes, seconds: minimum, maximum and default. */
  secondsPerAnswer: { least: 1, most: 60, usual: 6 },
  /**
   * How well raters agree: by this many of the latest votes, at most once in `everyMs` milliseconds for a session, and
   * in at most the share `ofTime` of a server's time. `votesPerMinute`: what one person is taken to cast, at most.
   */
  agreement: { votes: 5_000, everyMs: 4_000, ofTime: 0.1, votesPerMinute: 60 },
} as const

export const rewardLimits = {
  /** Longest statement of an appeal, and longest reason of a decision, characters. */
  statementChars: 1_000,
  /** Appeals of one person that may be open at a time. */
  openAppeals: 20,
  /** Claims of one person that are relayed per day. */
  relayedPerDay: 5,
  /** Claims of everybody that are relayed per hour. */
  relayedPerHour: 60,
  /** Longest reason of a dispute of an epoch, characters. */
  reasonChars: 1_000,
  /** How far ahead a relayed claim's deadline is, seconds: minimum and maximum. */
  relayAheadSeconds: { least: 60, most: 86_400 },
} as const
