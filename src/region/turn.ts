/** The eight ways a picture can be turned and mirrored, numbered as EXIF orientations. */

/** What an orientation does, seen from the stored picture's axes. */
export interface Turn {
  /** The stored x axis is shown as y, and y as x. */
  readonly swap: boolean;
  /** The stored x axis runs against the axis it is shown as. */
  readonly mirrorX: boolean;
  readonly mirrorY: boolean;
}

const TURNS: readonly Turn[] = [
  { swap: false, mirrorX: false, mirrorY: false },
  { swap: false, mirrorX: true, mirrorY: false },
  { swap: false, mirrorX: true, mirrorY: true },
  { swap: false, mirrorX: false, mirrorY: true },
  { swap: true, mirrorX: false, mirrorY: false },
  { swap: true, mirrorX: false, mirrorY: true },
  { swap: true, mirrorX: true, mirrorY: true },
  { swap: true, mirrorX: true, mirrorY: false },
];

/** What orientation 1…8 does; anything else is taken as 1. */
export function turnOf(orientation: number): Turn {
  return TURNS[orientation - 1] ?? { swap: false, mirrorX: false, mirrorY: false };
}

/** The orientation 1…8 that does this. */
export function orientationOf(turn: Turn): number {
  return (
    1 +
    TURNS.findIndex(
      ({ swap, mirrorX, mirrorY }) => swap === turn.swap && mirrorX === turn.mirrorX && mirrorY === turn.mirrorY,
    )
  );
}
