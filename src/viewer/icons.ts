/** Drawings on the buttons of the pages: 24 × 24 units, in the colour of the text. */
const SHAPES = {
  in: '<path d="M12 5v14M5 12h14"/>',
  out: '<path d="M5 12h14"/>',
  home: '<path d="M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5"/>',
  actual: '<path d="M6 7.5 8.5 6v12M15.5 7.5 18 6v12M12 10v.5M12 14v.5"/>',
  full: '<path d="M14 4h6v6M20 4l-7 7M10 20H4v-6M4 20l7-7"/>',
  panel: '<rect x="3.5" y="5" width="17" height="14" rx="2"/><path d="M14.5 5v14"/>',
  images: '<path d="M12 4 3.5 19h17zM8 11.5h8M5.5 15.5h13"/>',
  copy: '<rect x="8.5" y="8.5" width="11" height="11" rx="2"/><path d="M15.5 5.5a1.5 1.5 0 0 0-1.5-1.5H6a2 2 0 0 0-2 2v8a1.5 1.5 0 0 0 1.5 1.5"/>',
  open: '<path d="M13 4.5h6.5V11M19.5 4.5l-8 8M17 14v4.5a1.5 1.5 0 0 1-1.5 1.5h-10A1.5 1.5 0 0 1 4 18.5v-10A1.5 1.5 0 0 1 5.5 7H10"/>',
} as const;

/** A drawing as SVG. It says nothing to those who do not see it: the button has a label. */
export function icon(name: keyof typeof SHAPES): string {
  return `<svg viewBox="0 0 24 24" width="20" height="20" fill="none" stroke="currentColor" stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">${SHAPES[name]}</svg>`;
}
