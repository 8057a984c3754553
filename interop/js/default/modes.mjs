export const modeCases = () => [];
