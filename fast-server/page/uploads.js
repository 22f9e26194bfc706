export const uploads = { entries: [], totals: () => ({ toSend: 0, sending: 0, sent: 0, refused: 0, skipped: 0, expected: 0, bytesLeft: 0, hold: null }) };
