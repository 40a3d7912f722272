/** Units of times of a day, timestamps and durations. Each is a thousandth of the previous one. */
export const TIME_UNITS = ['s', 'ms', 'us', 'ns'] as const;

export type TimeUnit = (typeof TIME_UNITS)[number];

/** A type that no tensor has. Its values are passed through unchanged, as `ExactValue`, as text (UUID) or as a Buffer (bytes). */
export type ExactType =
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number }
  /** Days since 1970-01-01. */
  | { readonly kind: 'date' }
  /** A time of a day. */
  | { readonly kind: 'time'; readonly unit: TimeUnit }
  | {
      readonly kind: 'timestamp';
      readonly unit: TimeUnit;
      /** Present for instants: the zone in which people read them. Absent for times on the clock of an unknown place. */
      readonly zone?: string | undefined;
      /** Whether values may exceed 64 bits. Only INT96 of Parquet has such values. */
      readonly exceeds64Bits?: true;
    }
  | { readonly kind: 'duration'; readonly unit: TimeUnit }
  | { readonly kind: 'uuid' }
  /** Bytes that are not text. */
  | { readonly kind: 'binary'; readonly width?: number | undefined };

/** The types whose values are whole numbers of a unit. */
export type TickType = Exclude<ExactType, { kind: 'uuid' | 'binary' }>;

const PER_SECOND: Readonly<Record<TimeUnit, bigint>> = { s: 1n, ms: 1_000n, us: 1_000_000n, ns: 1_000_000_000n };
const SECONDS_OF_DAY = 86_400n;

/** A decimal, date, time, timestamp or duration as the file stores it: a whole number of a unit. */
export class ExactValue {
  readonly type: TickType;
  readonly ticks: bigint;

  constructor(type: TickType, ticks: bigint) {
    this.type = type;
    this.ticks = ticks;
  }

  /** Whether its text is a number. */
  get isNumber(): boolean {
    return this.type.kind === 'decimal' || this.type.kind === 'duration';
  }

  /** The value as an element of a tensor: numbers only. Dates and timestamps stay as they are, and no tensor accepts them. */
  get element(): unknown {
    if (this.type.kind === 'decimal') return this.toString();
    return this.type.kind === 'time' || this.type.kind === 'duration' ? this.ticks : this;
  }

  /** Digits for decimals and durations, ISO 8601 for the others. The unit decides the digits of a second. */
  toString(): string {
    const { type, ticks } = this;
    switch (type.kind) {
      case 'decimal':
        return decimalText(ticks, type.scale);
      case 'duration':
        return String(ticks);
      case 'date':
        return dateText(Number(ticks));
      case 'time':
        return timeText(ticks, type.unit);
      case 'timestamp': {
        const perDay = PER_SECOND[type.unit] * SECONDS_OF_DAY;
        const ofDay = ((ticks % perDay) + perDay) % perDay;
        const days = dateText(Number((ticks - ofDay) / perDay));
        return `${days}T${timeText(ofDay, type.unit)}${type.zone === undefined ? '' : 'Z'}`;
      }
    }
  }

  toJSON(): string {
    return this.toString();
  }
}

/** Bytes as text: printable ASCII stays, each other byte and the backslash become `\xHH`, as DuckDB writes them. */
export function binaryText(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    const isPlain = byte >= 0x20 && byte < 0x7f && byte !== 0x5c;
    text += isPlain ? String.fromCharCode(byte) : `\\x${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return text;
}

/** The text of 16 bytes: `8-4-4-4-12` hexadecimal digits. */
export function uuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** A two's complement number of any width, big-endian. */
export function signedInteger(bytes: Uint8Array): bigint {
  if (bytes.byteLength === 0) return 0n;
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
  return BigInt.asIntN(bytes.byteLength * 8, BigInt(`0x${hex}`));
}

function decimalText(ticks: bigint, scale: number): string {
  if (scale <= 0) return String(ticks * 10n ** BigInt(-scale));
  const digits = String(ticks < 0n ? -ticks : ticks).padStart(scale + 1, '0');
  return `${ticks < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** @param ticks from 0; a time after the end of the day keeps its hours. */
function timeText(ticks: bigint, unit: TimeUnit): string {
  const perSecond = PER_SECOND[unit];
  const seconds = Number(ticks / perSecond);
  const parts = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  const text = parts.map((part) => String(part).padStart(2, '0')).join(':');
  const digits = TIME_UNITS.indexOf(unit) * 3;
  return digits === 0 ? text : `${text}.${String(ticks % perSecond).padStart(digits, '0')}`;
}

/** The Gregorian date of a day, for any year: days are counted in eras of 400 years that begin on 1 March. */
function dateText(days: number): string {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const leapDays = Math.floor(dayOfEra / 1_460) - Math.floor(dayOfEra / 36_524) + Math.floor(dayOfEra / 146_096);
  const yearOfEra = Math.floor((dayOfEra - leapDays) / 365);
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return `${yearText(year)}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`;
}

/** ISO 8601 has a sign and six digits for years outside 0 to 9999. */
function yearText(year: number): string {
  if (year >= 0 && year <= 9_999) return String(year).padStart(4, '0');
  return `${year < 0 ? '-' : '+'}${String(Math.abs(year)).padStart(6, '0')}`;
}
